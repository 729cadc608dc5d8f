// The assemblies of the function: where they are found, and what is done to those of
// AWS's when they come.
using System;
using System.IO;
using System.Reflection;

namespace Tule
{
    static class Assemblies
    {
        const string Core = "Amazon.Lambda.Core";
        const BindingFlags Hidden = BindingFlags.Static | BindingFlags.NonPublic;

        static string root;
        static object resolver; // of .NET from 3.0 on: reads the package's .deps.json
        static MethodInfo setTrace;

        static readonly Type mono = Type.GetType("Mono.Runtime");

        /// <summary>Whether this is Mono, not .NET.</summary>
        public static bool OnMono { get { return mono != null; } }

        /// <summary>The version of Mono.</summary>
        public static string MonoVersion()
        {
            MethodInfo name = mono.GetMethod("GetDisplayName", Hidden);
            return name == null ? "" : ((string)name.Invoke(null, null)).Split(' ')[0];
        }

        public static void Begin(string taskRoot)
        {
            root = taskRoot;
            AppDomain.CurrentDomain.AssemblyResolve += delegate (object sender, ResolveEventArgs e) { return Resolve(new AssemblyName(e.Name)); };
            AppDomain.CurrentDomain.AssemblyLoad += delegate (object sender, AssemblyLoadEventArgs e) { Arrived(e.LoadedAssembly); };
        }

        /// <summary>Loads the handler's assembly.</summary>
        public static Assembly Load(string path)
        {
            Type type = !OnMono ? Type.GetType("System.Runtime.Loader.AssemblyDependencyResolver, System.Runtime.Loader") : null;
            if (type != null)
            {
                try
                {
                    resolver = Activator.CreateInstance(type, path);
                }
                catch (TargetInvocationException)
                {
                    // A package without .deps.json, or with one that cannot be read: what is beside the assembly will do.
                }
                Natives(type);
            }
            return Assembly.LoadFrom(path);
        }

        static Assembly Resolve(AssemblyName name)
        {
            if (resolver != null)
            {
                var known = (string)resolver.GetType().GetMethod("ResolveAssemblyToPath").Invoke(resolver, new object[] { name });
                if (known != null)
                    return Assembly.LoadFrom(known);
            }
            string culture = name.CultureName ?? "";
            foreach (string folder in new[] { Path.Combine(root, culture), root })
                foreach (string ending in new[] { ".dll", ".exe" })
                    if (File.Exists(Path.Combine(folder, name.Name + ending)))
                        return Assembly.LoadFrom(Path.Combine(folder, name.Name + ending));
            return OnMono && culture == "" ? Facade(name.Name) : null;
        }

        /// <summary>
        /// Code for .NET Standard and .NET Core looks for the base library's types in assemblies that Mono has as facades, if at all.
        /// Ours stands for all of them: it says of each type where Mono has it.
        /// </summary>
        static Assembly Facade(string name)
        {
            string path = Path.Combine(AppDomain.CurrentDomain.BaseDirectory, "facade.dll");
            bool wanted = name == "netstandard" || name.StartsWith("System.", StringComparison.Ordinal) || name.StartsWith("Microsoft.Win32.", StringComparison.Ordinal);
            return wanted && File.Exists(path) ? Assembly.LoadFrom(path) : null;
        }

        /// <summary>Has libraries in the machine's own code found where the package's .deps.json says they are.</summary>
        static void Natives(Type resolverType)
        {
            Type contexts = Type.GetType("System.Runtime.Loader.AssemblyLoadContext, System.Runtime.Loader");
            Type libraries = Type.GetType("System.Runtime.InteropServices.NativeLibrary, System.Runtime.InteropServices");
            EventInfo wanted = contexts == null ? null : contexts.GetEvent("ResolvingUnmanagedDll");
            MethodInfo load = libraries == null ? null : libraries.GetMethod("Load", new[] { typeof(string) });
            MethodInfo find = resolverType.GetMethod("ResolveUnmanagedDllToPath");
            if (wanted == null || load == null || find == null || resolver == null)
                return;
            object context = contexts.GetProperty("Default").GetValue(null, null);
            Func<Assembly, string, IntPtr> handler = delegate (Assembly from, string name)
            {
                object path = find.Invoke(resolver, new object[] { name });
                return path == null ? IntPtr.Zero : (IntPtr)load.Invoke(null, new[] { path });
            };
            wanted.AddEventHandler(context, handler);
        }

        /// <summary>Connects Amazon.Lambda.Core, by the fields that AWS keeps for that: LambdaLogger writes to our log.</summary>
        static void Arrived(Assembly assembly)
        {
            string name = assembly.IsDynamic ? "" : assembly.GetName().Name;
            if (name == "Mono.Security" && OnMono)
                Trust.Arrived(assembly);
            if (name != Core)
                return;
            Type logger = assembly.GetType(Core + ".LambdaLogger");
            if (logger != null)
            {
                Set(logger, "_loggingAction", (Action<string>)Log.Static);
                Set(logger, "_loggingWithLevelAction", (Action<string, string, object[]>)delegate (string level, string text, object[] args)
                {
                    Log.Levelled(level, null, text, args);
                });
                Set(logger, "_loggingWithLevelAndExceptionAction", (Action<string, Exception, string, object[]>)Log.Levelled);
            }
            Type tracer = assembly.GetType(Core + ".LambdaTraceProvider");
            if (tracer != null)
                setTrace = tracer.GetMethod("SetCurrentTraceId", Hidden, null, new[] { typeof(string) }, null);
        }

        static void Set(Type type, string field, Delegate action)
        {
            FieldInfo found = type.GetField(field, Hidden);
            if (found != null && found.FieldType.IsInstanceOfType(action))
                found.SetValue(null, action);
        }

        public static void Trace(string id)
        {
            if (setTrace != null)
                setTrace.Invoke(null, new object[] { id == "" ? null : id });
        }

        /// <summary>Whether something failed for what Mono lacks and .NET has.</summary>
        public static bool Lacking(Exception e)
        {
            if (!OnMono)
                return false;
            for (; e != null; e = e.InnerException)
            {
                var missing = e as FileNotFoundException;
                if (e.GetType() == typeof(TypeLoadException) || e is MissingMemberException && e.Message.Contains(" not found: ") ||
                    missing != null && (missing.FileName ?? "").StartsWith("System.", StringComparison.Ordinal))
                    return true;
            }
            return false;
        }
    }
}
