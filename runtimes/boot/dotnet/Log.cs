// Output: Console, LambdaLogger and the context's logger, each as its runtime had it.
// Up to .NET 5 what is written is cut into lines, and every line is a log event. From
// .NET 6 on, what is written by the line is an event with time, request and level.
using System;
using System.Collections;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Text;

namespace Tule
{
    static class Log
    {
        static readonly string[] Levels = { "Trace", "Debug", "Information", "Warning", "Error", "Critical" };
        static readonly string[] Labels = { "trce", "dbug", "info", "warn", "fail", "crit" };
        const int Information = 2, Error = 4, Critical = 5;

        static Output output, errors;
        static bool levelled, json, bare;
        static int least = Information;

        /// <summary>The event at hand; null during init.</summary>
        public static Invocation Request;

        public static void Begin(Config config)
        {
            Errors.Ancient = config.Major < 3;
            levelled = config.Major >= 6;
            if (levelled)
            {
                string format = Setting("FORMAT");
                json = Same(format, "json");
                bare = Same(format, "unformatted");
                least = Level(Setting("LEVEL"), Information);
            }
            Console.SetOut(output = new Output(Information));
            Console.SetError(errors = new Output(Error));
        }

        static string Setting(string name)
        {
            string own = Environment.GetEnvironmentVariable("AWS_LAMBDA_HANDLER_LOG_" + name);
            return string.IsNullOrEmpty(own) ? Environment.GetEnvironmentVariable("AWS_LAMBDA_LOG_" + name) : own;
        }

        static bool Same(string a, string b) { return string.Equals(a, b, StringComparison.OrdinalIgnoreCase); }

        static int Level(string name, int otherwise)
        {
            if (Same(name, "fatal"))
                return Critical;
            if (Same(name, "warn"))
                return 3;
            for (int i = 0; i < Levels.Length; i++)
                if (Same(name, Levels[i]))
                    return i;
            return otherwise;
        }

        /// <summary>Makes an event, and keeps it.</summary>
        public static void Rehearse()
        {
            Rendered(Information, null, "{a}", new object[] { 1 });
            output.Write("");
        }

        /// <summary>Sends what has no line end yet.</summary>
        public static void Settle()
        {
            if (output == null)
                return;
            output.Flush(true);
            errors.Flush(true);
        }

        public static void Event(string text) { Wire.Send(Wire.Line, Encoding.UTF8.GetBytes(text)); }

        /// <summary>A line that Console was given.</summary>
        public static void Line(Output to, int level, string text)
        {
            if (levelled)
                Event(level, null, text, null);
            else
                to.Write(text + "\n");
        }

        /// <summary>What Amazon.Lambda.Core's LambdaLogger.Log was given.</summary>
        public static void Static(string text)
        {
            if (levelled)
                Event(Information, null, text, null);
            else
                Console.Write(text);
        }

        public static void Levelled(string level, Exception e, string text, object[] args)
        {
            Event(Level(level, Information), e, text, args);
        }

        /// <summary>Why an init or an invoke failed.</summary>
        public static void Failure(Exception e)
        {
            if (levelled)
                Event(Error, e, null, null);
            else if (Errors.Ancient)
                Event(e.Message + ": " + Errors.TypeOf(e) + Stack(e));
            else
                Event(Errors.Text(e));
            if (Assemblies.Lacking(e))
                Event("Tule runs this function on Mono " + Assemblies.MonoVersion() + ", which lacks a part of .NET that it uses. " +
                    "Where the .NET SDK is installed, it runs on .NET.");
        }

        static string Stack(Exception e)
        {
            string[] lines = Errors.Trace(e);
            return lines.Length == 0 ? "" : "\n   " + string.Join("\n   ", lines);
        }

        static void Event(int level, Exception e, string template, object[] args)
        {
            if (level >= least)
                Event(Rendered(level, e, template, args));
        }

        static string Rendered(int level, Exception e, string template, object[] args)
        {
            var properties = new List<KeyValuePair<string, object>>();
            string text = args == null || args.Length == 0 ? template ?? "" : Template.Fill(template ?? "", args, properties);
            string time = DateTime.UtcNow.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);
            string request = Request == null ? "" : Request.RequestId;
            if (json)
                return Structured(time, request, level, text, e, properties);
            if (e != null)
                text += (text == "" ? "" : "\n") + Errors.Text(e);
            return bare ? text : time + "\t" + request + "\t" + Labels[level] + "\t" + text;
        }

        static string Structured(string time, string request, int level, string text, Exception e, List<KeyValuePair<string, object>> properties)
        {
            var b = new StringBuilder("{");
            Member(b, "timestamp", time);
            Member(b, "level", Levels[level]);
            if (request != "")
                Member(b, "requestId", request);
            if (Request != null && Request.TraceId != "")
                Member(b, "traceId", Request.TraceId);
            Member(b, "message", text);
            foreach (KeyValuePair<string, object> p in properties)
                if (p.Value != null)
                    Member(b, p.Key, p.Value);
            if (e != null)
            {
                Member(b, "errorType", e.GetType().FullName);
                Member(b, "errorMessage", e.Message);
                Member(b, "stackTrace", Array.ConvertAll(Errors.Text(e).Split('\n'), delegate (string line) { return line.Trim(); }));
            }
            return b.Append('}').ToString();
        }

        static void Member(StringBuilder b, string name, object value)
        {
            if (b.Length > 1)
                b.Append(',');
            Json.Quote(b, name);
            b.Append(':');
            Value(b, value);
        }

        static void Value(StringBuilder b, object value)
        {
            var list = value as IList;
            var map = value as IDictionary;
            if (value == null)
                b.Append("null");
            else if (value is bool)
                b.Append((bool)value ? "true" : "false");
            else if (map != null)
            {
                var members = new StringBuilder("{");
                foreach (DictionaryEntry entry in map)
                    Member(members, Convert.ToString(entry.Key, CultureInfo.InvariantCulture), entry.Value);
                b.Append(members).Append('}');
            }
            else if (list != null && !(value is byte[]))
            {
                b.Append('[');
                for (int i = 0; i < list.Count; i++)
                {
                    if (i > 0)
                        b.Append(',');
                    Value(b, list[i]);
                }
                b.Append(']');
            }
            else if (value is IConvertible && (value.GetType().IsPrimitive || value is decimal) && !(value is char) &&
                !(value is double && (double.IsNaN((double)value) || double.IsInfinity((double)value))))
                b.Append(Convert.ToString(value, CultureInfo.InvariantCulture));
            else
                Json.Quote(b, Template.Text(value, null));
        }
    }

    /// <summary>Templates of messages: "{count} of {total:N0}", by order, or "{0} of {1}", by number.</summary>
    static class Template
    {
        public static string Fill(string template, object[] args, List<KeyValuePair<string, object>> properties)
        {
            var b = new StringBuilder();
            int next = 0;
            for (int at = 0; at < template.Length; at++)
            {
                char c = template[at];
                int end = c == '{' ? template.IndexOf('}', at) : -1;
                if ((c == '{' || c == '}') && at + 1 < template.Length && template[at + 1] == c)
                    at++;
                else if (end > at + 1)
                {
                    string[] parts = template.Substring(at + 1, end - at - 1).Split(new[] { ':' }, 2);
                    string name = parts[0].Trim().TrimStart('@');
                    int i;
                    if (!int.TryParse(name, out i))
                        i = next++;
                    if (i < args.Length)
                    {
                        properties.Add(new KeyValuePair<string, object>(name, args[i]));
                        b.Append(Text(args[i], parts.Length > 1 ? parts[1] : null));
                        at = end;
                        continue;
                    }
                }
                b.Append(c);
            }
            return b.ToString();
        }

        public static string Text(object value, string format)
        {
            var bytes = value as byte[];
            if (bytes != null)
                return BitConverter.ToString(bytes).Replace("-", "");
            if (value is DateTime && format == null)
                format = "yyyy-MM-dd'T'HH:mm:ss.fff'Z'";
            var formattable = value as IFormattable;
            return formattable != null ? formattable.ToString(format, CultureInfo.InvariantCulture) : value == null ? "{null}" : value.ToString();
        }
    }

    /// <summary>Console's writers. Console locks them.</summary>
    sealed class Output : TextWriter
    {
        readonly int level;
        readonly StringBuilder held = new StringBuilder();

        public Output(int level) : base(CultureInfo.InvariantCulture)
        {
            this.level = level;
            CoreNewLine = new[] { '\n' };
        }

        public override Encoding Encoding { get { return Encoding.UTF8; } }

        public override void Write(char c)
        {
            lock (held)
            {
                if (c != '\n')
                    held.Append(c);
                else
                    Release();
            }
        }

        public override void Write(string text)
        {
            if (text == null)
                return;
            lock (held)
            {
                int from = 0;
                for (int at; (at = text.IndexOf('\n', from)) >= 0; from = at + 1)
                {
                    held.Append(text, from, at - from);
                    Release();
                }
                held.Append(text, from, text.Length - from);
            }
        }

        public override void Write(char[] text, int index, int count) { Write(new string(text, index, count)); }

        void Release()
        {
            string line = held.ToString();
            held.Clear();
            Log.Event(line);
        }

        /// <summary>Sends what is held; those who flush after each piece mean no line end by it.</summary>
        public void Flush(bool all)
        {
            lock (held)
                if (all && held.Length > 0)
                    Release();
        }

        void Line(string text) { Log.Line(this, level, text); }

        static string Plain(IFormattable value) { return value.ToString(null, CultureInfo.InvariantCulture); }

        public override void WriteLine() { Line(""); }
        public override void WriteLine(string value) { Line(value ?? ""); }
        public override void WriteLine(object value) { Line(value == null ? "" : Template.Text(value, "")); }
        public override void WriteLine(bool value) { Line(value.ToString()); }
        public override void WriteLine(char value) { Line(value.ToString()); }
        public override void WriteLine(char[] value) { Line(value == null ? "" : new string(value)); }
        public override void WriteLine(char[] value, int index, int count) { Line(new string(value, index, count)); }
        public override void WriteLine(int value) { Line(Plain(value)); }
        public override void WriteLine(uint value) { Line(Plain(value)); }
        public override void WriteLine(long value) { Line(Plain(value)); }
        public override void WriteLine(ulong value) { Line(Plain(value)); }
        public override void WriteLine(float value) { Line(Plain(value)); }
        public override void WriteLine(double value) { Line(Plain(value)); }
        public override void WriteLine(decimal value) { Line(Plain(value)); }
        public override void WriteLine(string format, object a) { Line(string.Format(FormatProvider, format, a)); }
        public override void WriteLine(string format, object a, object b) { Line(string.Format(FormatProvider, format, a, b)); }
        public override void WriteLine(string format, object a, object b, object c) { Line(string.Format(FormatProvider, format, a, b, c)); }
        public override void WriteLine(string format, params object[] args) { Line(string.Format(FormatProvider, format, args)); }
    }
}
