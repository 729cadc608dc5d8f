// ILambdaContext and the interfaces that it leads to, implemented when they are known: by
// classes made at run time, since every version of Amazon.Lambda.Core has its own.
using System;
using System.Collections.Generic;
using System.Globalization;
using System.Reflection;
using System.Reflection.Emit;

namespace Tule
{
    /// <summary>The base of the classes made here: whatever is called on them comes here by name.</summary>
    public abstract class Stub
    {
        /// <summary>Answers a call by name, and by its arguments, which are null where it has none.</summary>
        public Func<string, object[], object> Target;

        /// <summary>Makes the call, and its answer a T: what is not known is T's default.</summary>
        public T Call<T>(string name, object[] args)
        {
            object result = Target(name, args);
            return result is T ? (T)result : default(T);
        }
    }

    static class Stubs
    {
        static readonly Dictionary<Type, Type> made = new Dictionary<Type, Type>();
        static ModuleBuilder module;

        /// <summary>An object that implements an interface by sending its calls to target.</summary>
        public static object Make(Type type, Func<string, object[], object> target)
        {
            Type implementation;
            lock (made)
                if (!made.TryGetValue(type, out implementation))
                    made[type] = implementation = Build(type);
            var stub = (Stub)Activator.CreateInstance(implementation);
            stub.Target = target;
            return stub;
        }

        static Type Build(Type type)
        {
            if (module == null)
                module = AssemblyBuilder.DefineDynamicAssembly(new AssemblyName("Tule.Stubs"), AssemblyBuilderAccess.Run).DefineDynamicModule("Tule.Stubs");
            TypeBuilder b = module.DefineType(type.Name + made.Count, TypeAttributes.Public | TypeAttributes.Sealed, typeof(Stub), new[] { type });
            Implement(b, type);
            foreach (Type inherited in type.GetInterfaces())
                Implement(b, inherited);
            return b.CreateTypeInfo().AsType();
        }

        static void Implement(TypeBuilder b, Type type)
        {
            foreach (MethodInfo m in type.GetMethods(BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance))
                if (m.IsAbstract || Overridden(m))
                    Implement(b, m);
        }

        /// <summary>
        /// Whether a method that the interface itself implements is to come here all the same: properties, and those Log that the
        /// others are made of.
        /// </summary>
        static bool Overridden(MethodInfo m)
        {
            if (!m.IsVirtual || !m.IsPublic || m.IsGenericMethod)
                return false;
            ParameterInfo[] p = m.GetParameters();
            return m.Name.StartsWith("get_", StringComparison.Ordinal) || m.Name == "Log" && p.Length > 1 && p[0].ParameterType == typeof(string);
        }

        static void Implement(TypeBuilder b, MethodInfo m)
        {
            Type[] parameters = Array.ConvertAll(m.GetParameters(), delegate (ParameterInfo p) { return p.ParameterType; });
            MethodBuilder body = b.DefineMethod(m.Name, MethodAttributes.Public | MethodAttributes.Virtual | MethodAttributes.Final |
                MethodAttributes.HideBySig | MethodAttributes.NewSlot, m.ReturnType, parameters);
            ILGenerator il = body.GetILGenerator();
            il.Emit(OpCodes.Ldarg_0);
            il.Emit(OpCodes.Ldstr, m.Name);
            if (parameters.Length == 0)
                il.Emit(OpCodes.Ldnull);
            else
                Pack(il, parameters);
            bool empty = m.ReturnType == typeof(void);
            il.Emit(OpCodes.Call, typeof(Stub).GetMethod("Call").MakeGenericMethod(empty ? typeof(object) : m.ReturnType));
            if (empty)
                il.Emit(OpCodes.Pop);
            il.Emit(OpCodes.Ret);
            b.DefineMethodOverride(body, m);
        }

        /// <summary>Leaves an array of the arguments on the stack.</summary>
        static void Pack(ILGenerator il, Type[] parameters)
        {
            il.Emit(OpCodes.Ldc_I4, parameters.Length);
            il.Emit(OpCodes.Newarr, typeof(object));
            for (int i = 0; i < parameters.Length; i++)
            {
                il.Emit(OpCodes.Dup);
                il.Emit(OpCodes.Ldc_I4, i);
                il.Emit(OpCodes.Ldarg, (short)(i + 1));
                if (parameters[i].IsValueType)
                    il.Emit(OpCodes.Box, parameters[i]);
                il.Emit(OpCodes.Stelem_Ref);
            }
        }
    }

    /// <summary>What the context says of an invocation.</summary>
    static class Context
    {
        /// <summary>The context of one call, as the ILambdaContext that its handler asks for.</summary>
        public static object For(Type type, Invocation call, object serializer)
        {
            Config config = call.Config;
            object identity = null, client = null, logger = null;
            return Stubs.Make(type, delegate (string name, object[] args)
            {
                switch (name)
                {
                    case "get_AwsRequestId": return call.RequestId;
                    case "get_FunctionName": return config.Text("functionName");
                    case "get_FunctionVersion": return config.Text("functionVersion");
                    case "get_InvokedFunctionArn": return call.Arn;
                    case "get_LogGroupName": return config.Text("logGroup");
                    case "get_LogStreamName": return config.Text("logStream");
                    case "get_MemoryLimitInMB": return int.Parse(config.Text("memory"), CultureInfo.InvariantCulture);
                    case "get_RemainingTime": return call.Remaining;
                    case "get_TraceId": return call.TraceId;
                    case "get_TenantId": return "";
                    case "get_Serializer": return serializer;
                    case "get_Identity": return identity ?? (identity = Identity(TypeOf(type, "Identity"), call.Identity));
                    case "get_ClientContext": return client ?? (client = Client(TypeOf(type, "ClientContext"), call.Client));
                    case "get_Logger": return logger ?? (logger = Stubs.Make(TypeOf(type, "Logger"), Write));
                }
                return null;
            });
        }

        static Type TypeOf(Type type, string property) { return type.GetProperty(property).PropertyType; }

        static object Identity(Type type, string json)
        {
            Dictionary<string, object> values = Object(json);
            return Stubs.Make(type, delegate (string name, object[] args)
            {
                return name == "get_IdentityId" ? Member(values, "cognitoIdentityId") : name == "get_IdentityPoolId" ? Member(values, "cognitoIdentityPoolId") : null;
            });
        }

        static object Client(Type type, string json)
        {
            Dictionary<string, object> values = Object(json);
            object application = null, custom = null, environment = null;
            if (values.ContainsKey("client"))
                application = Application(TypeOf(type, "Client"), Member(values, "client") as Dictionary<string, object>);
            if (values.ContainsKey("custom"))
                custom = Texts(Member(values, "custom") as Dictionary<string, object>);
            if (values.ContainsKey("env"))
                environment = Texts(Member(values, "env") as Dictionary<string, object>);
            return Stubs.Make(type, delegate (string name, object[] args)
            {
                return name == "get_Client" ? application : name == "get_Custom" ? custom : name == "get_Environment" ? environment : null;
            });
        }

        static object Application(Type type, Dictionary<string, object> values)
        {
            return Stubs.Make(type, delegate (string name, object[] args)
            {
                switch (name)
                {
                    case "get_AppPackageName": return Member(values, "app_package_name");
                    case "get_AppTitle": return Member(values, "app_title");
                    case "get_AppVersionCode": return Member(values, "app_version_code");
                    case "get_AppVersionName": return Member(values, "app_version_name");
                    case "get_InstallationId": return Member(values, "installation_id");
                }
                return null;
            });
        }

        static Dictionary<string, object> Object(string json)
        {
            return (json == "" ? null : Json.Parse(json) as Dictionary<string, object>) ?? new Dictionary<string, object>();
        }

        static object Member(Dictionary<string, object> values, string name)
        {
            object value;
            return values != null && values.TryGetValue(name, out value) ? value : null;
        }

        static Dictionary<string, string> Texts(Dictionary<string, object> values)
        {
            var texts = new Dictionary<string, string>();
            if (values != null)
                foreach (KeyValuePair<string, object> v in values)
                    texts[v.Key] = Convert.ToString(v.Value, CultureInfo.InvariantCulture);
            return texts;
        }

        /// <summary>The methods of ILambdaLogger, whose arguments are [level,] [exception,] message [, arguments of its].</summary>
        static object Write(string name, object[] args)
        {
            int at = args.Length > 1 ? 1 : 0;
            var e = args.Length > 2 ? args[at] as Exception : null;
            if (e != null || args.Length == 4)
                at++;
            string text = args[at] as string;
            object[] further = args.Length > at + 1 ? args[at + 1] as object[] : null;
            if (args.Length > 1)
                Log.Levelled(Convert.ToString(args[0], CultureInfo.InvariantCulture), e, text, further);
            else if (name == "Log")
                Console.Write(text);
            else
                Console.WriteLine(text);
            return null;
        }
    }
}
