// Writes the source of facade.dll (see Assemblies.Facade) for the assemblies that it is
// given: an attribute for each of their public types. Compiled and run once on Mono.
using System;
using System.Collections.Generic;
using System.IO;
using System.Reflection;

static class Facade
{
    static void Main(string[] paths)
    {
        var seen = new Dictionary<string, bool>();
        Console.WriteLine("using System.Runtime.CompilerServices;");
        foreach (string path in paths)
            foreach (Type type in Assembly.LoadFrom(path).GetExportedTypes())
                if (!type.IsNested && type.Namespace != null && !type.Namespace.StartsWith("Mono") && !Forbidden(type) && !seen.ContainsKey(type.FullName))
                {
                    seen[type.FullName] = true;
                    Console.WriteLine("[assembly: TypeForwardedTo(typeof(global::" + Name(type) + "))]");
                }
    }

    /// <summary>Whether the compiler refuses to name a type.</summary>
    static bool Forbidden(Type type)
    {
        var obsolete = (ObsoleteAttribute)Attribute.GetCustomAttribute(type, typeof(ObsoleteAttribute), false);
        return type == typeof(void) || obsolete != null && obsolete.IsError;
    }

    static string Name(Type type)
    {
        int at = type.FullName.IndexOf('`');
        return at < 0 ? type.FullName : type.FullName.Substring(0, at) + "<" + new string(',', type.GetGenericArguments().Length - 1) + ">";
    }
}
