// Errors, as a function's caller gets them.
using System;
using System.Collections.Generic;
using System.Globalization;
using System.Reflection;
using System.Text;

namespace Tule
{
    /// <summary>A handler that is not as it must be. Callers see the name that AWS gave it.</summary>
    sealed class LambdaValidationException : Exception
    {
        public LambdaValidationException(string format, params object[] args)
            : base(string.Format(CultureInfo.InvariantCulture, format, args)) { }
    }

    static class Errors
    {
        const int MostBytes = 256 << 10;
        const string ValidationName = "Amazon.Lambda.RuntimeSupport.ExceptionHandling.LambdaValidationException";

        /// <summary>Whether the runtime is one of those whose exceptions had a shorter name, and whose logs another shape.</summary>
        public static bool Ancient;

        public static string TypeOf(Exception e)
        {
            return e is LambdaValidationException && Ancient ? "LambdaException" : e.GetType().Name;
        }

        public static string Describe(Exception e)
        {
            var b = new StringBuilder();
            Append(b, e, "");
            return Encoding.UTF8.GetByteCount(b.ToString()) <= MostBytes ? b.ToString()
                : "{\"errorMessage\": \"Exception exceeded maximum payload size of 256KB.\"}";
        }

        static void Append(StringBuilder b, Exception e, string indent)
        {
            if (b.Length > MostBytes)
                return; // it will not be sent
            string inner = indent + "  ";
            b.Append("{\n").Append(inner).Append("\"errorType\": ");
            Json.Quote(b, TypeOf(e));
            b.Append(",\n").Append(inner).Append("\"errorMessage\": ");
            Json.Quote(b, Message(e));
            string[] trace = Trace(e);
            if (trace.Length > 0)
            {
                b.Append(",\n").Append(inner).Append("\"stackTrace\": [");
                for (int i = 0; i < trace.Length; i++)
                {
                    b.Append(i > 0 ? ",\n" : "\n").Append(inner).Append("  ");
                    Json.Quote(b, trace[i]);
                }
                b.Append('\n').Append(inner).Append(']');
            }
            if (e.InnerException != null)
            {
                b.Append(",\n").Append(inner).Append("\"cause\": ");
                Append(b, e.InnerException, inner);
            }
            var many = e as AggregateException;
            if (many != null && many.InnerExceptions.Count > 0)
            {
                b.Append(",\n").Append(inner).Append("\"causes\": [");
                for (int i = 0; i < many.InnerExceptions.Count; i++)
                {
                    b.Append(i > 0 ? ",\n" : "\n").Append(inner).Append("  ");
                    Append(b, many.InnerExceptions[i], inner + "  ");
                }
                b.Append('\n').Append(inner).Append(']');
            }
            b.Append('\n').Append(indent).Append('}');
        }

        static string Message(Exception e)
        {
            try
            {
                return (e.Message ?? "").Trim();
            }
            catch (Exception)
            {
                return "";
            }
        }

        /// <summary>The lines of the stack, without those below the user's code.</summary>
        public static string[] Trace(Exception e)
        {
            var lines = new List<string>();
            foreach (string line in (e.StackTrace ?? "").Split('\n'))
                if (line.Trim() != "")
                    lines.Add(line.Trim());
            while (lines.Count > 0 && OfOurs(lines[lines.Count - 1]))
                lines.RemoveAt(lines.Count - 1);
            return lines.ToArray();
        }

        static bool OfOurs(string line)
        {
            return line.StartsWith("at Tule.") || line.Contains(" System.Reflection.") || line.Contains(" System.RuntimeMethodHandle.") ||
                line.StartsWith("at (wrapper ") || line.StartsWith("at System.RuntimeType.CreateInstance") ||
                line.StartsWith("at System.Activator.") || line.StartsWith("at InvokeStub_");
        }

        /// <summary>The whole of an exception for the log, in its own words but for our part in it.</summary>
        public static string Text(Exception e)
        {
            var b = new StringBuilder();
            foreach (string line in e.ToString().Split('\n'))
                if (!OfOurs(line.Trim()))
                    b.Append(b.Length > 0 ? "\n" : "").Append(line.TrimEnd());
            return b.ToString().Replace(typeof(LambdaValidationException).FullName, ValidationName);
        }

        /// <summary>What was thrown, out of what reflection wraps it in.</summary>
        public static Exception Bare(Exception e)
        {
            while (e is TargetInvocationException && e.InnerException != null)
                e = e.InnerException;
            return e;
        }
    }
}
