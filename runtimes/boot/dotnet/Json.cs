// JSON, as much as the bootstrap needs: neither Mono's base library nor that of the first
// .NET Cores has a reader, and a package of the function's own must not be mixed up with it.
using System;
using System.Collections.Generic;
using System.Globalization;
using System.Text;

namespace Tule
{
    /// <summary>Objects are Dictionary&lt;string, object&gt;, arrays List&lt;object&gt;, numbers double.</summary>
    sealed class Json
    {
        readonly string text;
        int at;

        Json(string text) { this.text = text; }

        public static object Parse(string text)
        {
            var reader = new Json(text);
            object value = reader.Value();
            if (reader.Peek() != '\0')
                throw reader.Wrong();
            return value;
        }

        Exception Wrong() { return new FormatException("JSON is not well-formed at character " + at); }

        char Peek()
        {
            while (at < text.Length && (text[at] == ' ' || text[at] == '\t' || text[at] == '\r' || text[at] == '\n'))
                at++;
            return at < text.Length ? text[at] : '\0';
        }

        void Take(char c)
        {
            if (Peek() != c)
                throw Wrong();
            at++;
        }

        object Value()
        {
            switch (Peek())
            {
                case '{': return Object();
                case '[': return Array();
                case '"': return String();
                case 't': return Word("true", true);
                case 'f': return Word("false", false);
                case 'n': return Word("null", null);
                default: return Number();
            }
        }

        object Word(string word, object value)
        {
            if (string.CompareOrdinal(text, at, word, 0, word.Length) != 0)
                throw Wrong();
            at += word.Length;
            return value;
        }

        object Number()
        {
            int start = at;
            while (at < text.Length && "+-.eE0123456789".IndexOf(text[at]) >= 0)
                at++;
            double value;
            if (!double.TryParse(text.Substring(start, at - start), NumberStyles.Float, CultureInfo.InvariantCulture, out value))
                throw Wrong();
            return value;
        }

        object Object()
        {
            var members = new Dictionary<string, object>();
            Take('{');
            if (Peek() == '}')
            {
                at++;
                return members;
            }
            for (;;)
            {
                if (Peek() != '"')
                    throw Wrong();
                string name = String();
                Take(':');
                members[name] = Value();
                if (Peek() == '}')
                    break;
                Take(',');
            }
            at++;
            return members;
        }

        object Array()
        {
            var items = new List<object>();
            Take('[');
            if (Peek() == ']')
            {
                at++;
                return items;
            }
            for (;;)
            {
                items.Add(Value());
                if (Peek() == ']')
                    break;
                Take(',');
            }
            at++;
            return items;
        }

        string String()
        {
            var b = new StringBuilder();
            for (at++; ; at++)
            {
                if (at >= text.Length)
                    throw Wrong();
                char c = text[at];
                if (c == '"')
                    break;
                b.Append(c == '\\' ? Escaped() : c);
            }
            at++;
            return b.ToString();
        }

        char Escaped()
        {
            at++;
            int i = at < text.Length ? "\"\\/bfnrt".IndexOf(text[at]) : -1;
            if (i >= 0)
                return "\"\\/\b\f\n\r\t"[i];
            ushort code;
            if (at + 4 >= text.Length || text[at] != 'u' ||
                !ushort.TryParse(text.Substring(at + 1, 4), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out code))
                throw Wrong();
            at += 4;
            return (char)code;
        }

        /// <summary>Appends a string, quoted.</summary>
        public static void Quote(StringBuilder b, string text)
        {
            b.Append('"');
            foreach (char c in text)
            {
                int i = "\"\\\b\f\n\r\t".IndexOf(c);
                if (i >= 0)
                    b.Append('\\').Append("\"\\bfnrt"[i]);
                else if (c < ' ' || c == '\u0085' || c == '\u2028' || c == '\u2029')
                    b.Append("\\u").Append(((int)c).ToString("x4"));
                else
                    b.Append(c);
            }
            b.Append('"');
        }
    }
}
