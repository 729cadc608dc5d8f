// The handler: found by its name, held against AWS's rules for what may be one, called.
using System;
using System.Collections.Generic;
using System.IO;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text;
using System.Threading.Tasks;

namespace Tule
{
    sealed class Handler
    {
        const BindingFlags Any = BindingFlags.DeclaredOnly | BindingFlags.NonPublic | BindingFlags.Public | BindingFlags.Instance | BindingFlags.Static;
        const string ContextType = "Amazon.Lambda.Core.ILambdaContext", SerializerType = "Amazon.Lambda.Core.ILambdaSerializer",
            AttributeType = "Amazon.Lambda.Core.LambdaSerializerAttribute";
        static readonly byte[] Null = { (byte)'n', (byte)'u', (byte)'l', (byte)'l' };

        readonly string assemblyName, typeName, methodName;
        MethodInfo method;
        object target;
        object serializer;
        MethodInfo deserialize, serialize; // null where the function takes, or gives, streams or nothing
        Type context;                      // ILambdaContext, if the function asks for it
        bool takesStream, givesStream;

        Handler(string name)
        {
            if (name.Trim() == "")
                throw new LambdaValidationException("Empty lambda function handler. The valid format is 'ASSEMBLY::TYPE::METHOD'.");
            string[] parts = name.Split(new[] { "::" }, 3, StringSplitOptions.None);
            if (parts.Length != 3)
                throw new LambdaValidationException("Invalid lambda function handler: '{0}'. The valid format is 'ASSEMBLY::TYPE::METHOD'.", name);
            string[] words = { "assembly", "type", "method" };
            for (int i = 0; i < 3; i++)
                if ((parts[i] = parts[i].Trim()) == "")
                    throw new LambdaValidationException(
                        "Invalid lambda function handler: '{0}', the {1} is missing. The valid format is 'ASSEMBLY::TYPE::METHOD'.", name, words[i]);
            assemblyName = parts[0];
            typeName = parts[1];
            methodName = parts[2];
        }

        public static Handler Load(Config config)
        {
            var h = new Handler(config.Text("handler"));
            Assembly assembly = h.LoadAssembly(config.TaskRoot);
            Type type = assembly.GetType(h.typeName);
            if (type == null)
                throw new LambdaValidationException("Unable to load type '{0}' from assembly '{1}'.", h.typeName, h.assemblyName);
            h.method = h.FindByName(type) ?? h.FindBySignature(type);
            if (h.method == null)
                throw new LambdaValidationException(
                    "Unable to find method '{0}' in type '{1}' from assembly '{2}': Found no methods matching method name '{0}'.",
                    h.methodName, h.typeName, h.assemblyName);
            h.CheckMethod();
            h.CheckType(type);
            if (h.method.IsStatic)
                RuntimeHelpers.RunClassConstructor(type.TypeHandle);
            else
                h.target = Activator.CreateInstance(type);
            h.serializer = h.FindSerializer(assembly);
            h.Bind();
            return h;
        }

        Assembly LoadAssembly(string root)
        {
            string simple = new AssemblyName(assemblyName).Name;
            string path = Path.Combine(root, simple + ".dll");
            if (!File.Exists(path))
                path = Path.Combine(root, simple + ".exe");
            if (!File.Exists(path))
                throw new LambdaValidationException(
                    "Could not find the specified handler assembly with the file name '{0}, Culture=neutral, PublicKeyToken=null'. " +
                    "The assembly should be located in the root of your uploaded .zip file.", assemblyName);
            try
            {
                return Assemblies.Load(path);
            }
            catch (Exception)
            {
                throw new LambdaValidationException("Unable to load assembly '{0}'.", assemblyName);
            }
        }

        MethodInfo FindByName(Type type)
        {
            for (Type t = type; t != null; t = t.BaseType)
            {
                try
                {
                    MethodInfo found = t.GetMethod(methodName, Any);
                    if (found != null)
                        return found;
                }
                catch (AmbiguousMatchException)
                {
                    var candidates = new List<string>();
                    foreach (MethodInfo m in t.GetMethods(Any))
                        if (m.Name == methodName)
                            candidates.Add(m.ToString());
                    throw new LambdaValidationException(
                        "The method '{0}' in type '{1}' appears to have a number of overloads. To call this method please specify a complete " +
                        "method signature. Possible candidates are:\n{2}.", methodName, t.FullName, string.Join("\n", candidates));
                }
            }
            return null;
        }

        /// <summary>Finds "System.String Method(Int32)", as overloads are named.</summary>
        MethodInfo FindBySignature(Type type)
        {
            for (Type t = type; t != null; t = t.BaseType)
                foreach (MethodInfo m in t.GetMethods(Any))
                    if (m.ToString() == methodName)
                        return m;
            return null;
        }

        void CheckMethod()
        {
            string refused = null;
            ParameterInfo[] parameters = method.GetParameters();
            if (method.IsAbstract)
                refused = "it is an abstract method. Handler methods cannot be abstract. Please specify a non-abstract handler method.";
            else if (method.IsGenericMethod)
                refused = "it is a generic method. Handler methods cannot be generic. Please specify a non-generic handler method.";
            else if (method.ReturnType == typeof(void) && method.IsDefined(typeof(AsyncStateMachineAttribute), false))
                refused = "it is an 'async void' method. Handler methods cannot be 'async void'. Please specify a method that is not 'async void'.";
            else if (parameters.Length > 0 && parameters[parameters.Length - 1].IsDefined(typeof(ParamArrayAttribute), false))
                refused = "it is a 'params' method. Please specify a method that does not use 'params'.";
            else if ((method.CallingConvention & CallingConventions.VarArgs) == CallingConventions.VarArgs)
                refused = "it is a 'vararg (variable arguments)' method. Please specify a method that is not 'vararg'.";
            if (refused != null)
                throw new LambdaValidationException("The method '{0}' cannot be used as a Lambda Handler because {1}", method, refused);
        }

        void CheckType(Type type)
        {
            if (type.IsGenericType)
                throw new LambdaValidationException("The type '{0}' cannot be used as a Lambda Handler type because it is generic. " +
                    "Handler methods cannot be located in generic types. Please specify a handler method in a non-generic type.", type.FullName);
            if (!method.IsStatic && type.IsAbstract)
                throw new LambdaValidationException("The instance method '{0}' cannot be used as a Lambda Handler because its type '{1}' is abstract. " +
                    "Please either use a static handler or specify a type that is not abstract.", method, type.FullName);
            if (!type.IsClass && !(type.IsValueType && !type.IsPrimitive && !type.IsEnum))
                throw new LambdaValidationException("The type '{0}' cannot be used as a handler type since it is not a class or a struct. " +
                    "Please specify a handler method on a class or struct.", type.FullName);
        }

        /// <summary>The serializer that the method names, or else its assembly; null where neither does.</summary>
        object FindSerializer(Assembly assembly)
        {
            object attribute = Attribute(method.GetCustomAttributes(false)) ?? Attribute(assembly.GetCustomAttributes(false));
            if (attribute == null)
                return null;
            PropertyInfo property = attribute.GetType().GetProperty("SerializerType");
            if (property == null)
                throw new LambdaValidationException("The '{0}' class is invalid: no 'SerializerType' property detected.", AttributeType);
            var type = property.GetValue(attribute, null) as Type;
            if (type == null)
                throw new LambdaValidationException("The 'SerializerType' property on attribute class '{0}' is not set.", AttributeType);
            ConstructorInfo constructor = type.GetConstructor(Type.EmptyTypes);
            if (constructor == null)
                throw new LambdaValidationException(
                    "The indicated serializer '{0}' does not define a public zero-parameter constructor.", type.FullName);
            if (type.GetInterface(SerializerType) == null)
                throw new LambdaValidationException(
                    "The '{0}' class is invalid: it does not implement the 'ILambdaSerializer' interface.", type.FullName);
            return constructor.Invoke(null);
        }

        static object Attribute(object[] attributes)
        {
            foreach (object a in attributes)
                if (a.GetType().FullName == AttributeType)
                    return a;
            return null;
        }

        /// <summary>Works out once what each call takes and gives.</summary>
        void Bind()
        {
            ParameterInfo[] parameters = method.GetParameters();
            int n = parameters.Length;
            if (n > 2)
                throw new LambdaValidationException(
                    "Method '{0}' of type '{1}' is not supported: the method has more than 2 parameters.", method.Name, typeName);
            if (n > 0 && parameters[n - 1].ParameterType.FullName == ContextType)
                context = parameters[--n].ParameterType;
            if (n == 2)
                throw new LambdaValidationException("Method '{0}' of type '{1}' is not supported: the method has 2 parameters, " +
                    "but the second parameter is not of type '{2}'.", method.Name, typeName, ContextType);
            if (n == 1)
            {
                Type input = parameters[0].ParameterType;
                takesStream = input == typeof(Stream);
                if (!takesStream)
                    deserialize = Converter("Deserialize", "deserialize input", input);
            }
            Type output = Awaited.Result(method.ReturnType);
            givesStream = typeof(Stream).IsAssignableFrom(output);
            if (!givesStream && output != typeof(void))
                serialize = Converter("Serialize", "serialize output", output);
        }

        MethodInfo Converter(string name, string purpose, Type type)
        {
            if (serializer == null)
                throw new LambdaValidationException("Could not find the LambdaSerializerAttribute on the assembly '{0}' or method '{1}' " +
                    "while attempting to {2} data of type '{3}'. To use types other than System.IO.Stream as input/output parameters, " +
                    "the assembly or Lambda function should be annotated with {4}.", assemblyName, methodName, purpose, type.FullName, AttributeType);
            MethodInfo found = serializer.GetType().GetInterface(SerializerType).GetMethod(name);
            if (found == null || !found.IsGenericMethodDefinition)
                throw new LambdaValidationException("The type '{0}' does not match the expected shape of '{0}': '{1}' method not found.'.", SerializerType, name);
            return found.MakeGenericMethod(type);
        }

        /// <summary>Calls the handler. Reflection wraps what the user's code throws: see Errors.Bare.</summary>
        public MemoryStream Invoke(Invocation call)
        {
            var args = new List<object>(2);
            if (takesStream)
                args.Add(call.Event);
            else if (deserialize != null)
                args.Add(deserialize.Invoke(serializer, new object[] { call.Event }));
            if (context != null)
                args.Add(Context.For(context, call, serializer));
            object result = Awaited.Value(method.Invoke(target, args.ToArray()));
            var output = new MemoryStream();
            if (serialize != null)
                serialize.Invoke(serializer, new[] { result, output });
            else if (!givesStream)
                output.Write(Null, 0, Null.Length);
            else if (result != null)
                using (var stream = (Stream)result)
                {
                    if (stream.CanSeek)
                        stream.Position = 0;
                    stream.CopyTo(output);
                }
            return output;
        }
    }

    /// <summary>What a call returns, once it is there: Task, Task&lt;T&gt;, and ValueTask where that is known.</summary>
    static class Awaited
    {
        public static Type Result(Type type)
        {
            for (Type t = type; t != null; t = t.BaseType)
            {
                string name = t.IsGenericType ? t.GetGenericTypeDefinition().FullName : t.FullName;
                switch (name)
                {
                    case "System.Threading.Tasks.Task`1":
                    case "System.Threading.Tasks.ValueTask`1":
                        return Nothing(t.GetGenericArguments()[0]) ? typeof(void) : t.GetGenericArguments()[0];
                    case "System.Threading.Tasks.Task":
                    case "System.Threading.Tasks.ValueTask":
                        return typeof(void);
                }
            }
            return type;
        }

        /// <summary>The type that stands for no result behind a method that says Task.</summary>
        static bool Nothing(Type t) { return t.FullName == "System.Threading.Tasks.VoidTaskResult"; }

        public static object Value(object result)
        {
            if (result == null)
                return null;
            Type type = result.GetType();
            if (type.FullName.StartsWith("System.Threading.Tasks.ValueTask", StringComparison.Ordinal))
                result = type.GetMethod("AsTask", Type.EmptyTypes).Invoke(result, null);
            var task = result as Task;
            if (task == null)
                return result;
            task.GetAwaiter().GetResult();
            for (Type t = task.GetType(); t != typeof(Task); t = t.BaseType)
                if (t.IsGenericType && t.GetGenericTypeDefinition() == typeof(Task<>))
                    return Nothing(t.GetGenericArguments()[0]) ? null : t.GetProperty("Result").GetValue(task, null);
            return null;
        }
    }
}
