// A stand-in for AWS's package of this name: JSON by reflection, with names in any case.
using System;
using System.Collections;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Reflection;
using System.Text;
using Amazon.Lambda.Core;

namespace Amazon.Lambda.Serialization.Json
{
    public class JsonSerializerException : Exception
    {
        public JsonSerializerException(string message, Exception inner) : base(message, inner) { }
    }

    public class JsonSerializer : ILambdaSerializer
    {
        public T Deserialize<T>(Stream stream)
        {
            try
            {
                return (T)new Reader(new StreamReader(stream).ReadToEnd()).Value(typeof(T));
            }
            catch (Exception e)
            {
                throw new JsonSerializerException("Error converting the Lambda event JSON payload to type " + typeof(T).FullName + ": " + e.Message, e);
            }
        }

        public void Serialize<T>(T value, Stream stream)
        {
            var b = new StringBuilder();
            Write(b, value);
            byte[] bytes = Encoding.UTF8.GetBytes(b.ToString());
            stream.Write(bytes, 0, bytes.Length);
        }

        static void Write(StringBuilder b, object value)
        {
            if (value == null)
                b.Append("null");
            else if (value is bool)
                b.Append((bool)value ? "true" : "false");
            else if (value is string || value is char || value is Enum)
                Quote(b, value.ToString());
            else if (value is DateTime)
                Quote(b, ((DateTime)value).ToString("yyyy-MM-dd'T'HH:mm:ss'Z'"));
            else if (value is IConvertible)
                b.Append(Convert.ToString(value, CultureInfo.InvariantCulture));
            else if (value is IDictionary)
            {
                string separator = "{";
                foreach (DictionaryEntry e in (IDictionary)value)
                {
                    b.Append(separator);
                    Quote(b, e.Key.ToString());
                    b.Append(':');
                    Write(b, e.Value);
                    separator = ",";
                }
                b.Append(separator == "{" ? "{}" : "}");
            }
            else if (value is IEnumerable)
            {
                string separator = "[";
                foreach (object item in (IEnumerable)value)
                {
                    b.Append(separator);
                    Write(b, item);
                    separator = ",";
                }
                b.Append(separator == "[" ? "[]" : "]");
            }
            else
            {
                string separator = "{";
                foreach (PropertyInfo p in value.GetType().GetProperties())
                {
                    b.Append(separator);
                    Quote(b, p.Name);
                    b.Append(':');
                    Write(b, p.GetValue(value, null));
                    separator = ",";
                }
                b.Append(separator == "{" ? "{}" : "}");
            }
        }

        static void Quote(StringBuilder b, string s)
        {
            b.Append('"').Append(s.Replace("\\", "\\\\").Replace("\"", "\\\"").Replace("\n", "\\n").Replace("\t", "\\t")).Append('"');
        }

        sealed class Reader
        {
            readonly string s;
            int at;

            public Reader(string s) { this.s = s; }

            char Peek()
            {
                while (at < s.Length && char.IsWhiteSpace(s[at]))
                    at++;
                if (at == s.Length)
                    throw new FormatException("Unexpected end when deserializing object");
                return s[at];
            }

            bool Next(char c)
            {
                if (Peek() != c)
                    return false;
                at++;
                return true;
            }

            public object Value(Type type)
            {
                char c = Peek();
                if (c == '{')
                    return Object(type);
                if (c == '[')
                    return List(type);
                if (c == '"')
                {
                    string text = Text();
                    return type == typeof(string) || type == typeof(object) ? text : Convert.ChangeType(text, type, CultureInfo.InvariantCulture);
                }
                int from = at;
                while (at < s.Length && "+-.".IndexOf(s[at]) >= 0 || at < s.Length && char.IsLetterOrDigit(s[at]))
                    at++;
                string word = s.Substring(from, at - from);
                if (word == "null")
                    return type.IsValueType ? Activator.CreateInstance(type) : null;
                type = Nullable.GetUnderlyingType(type) ?? type;
                if (type == typeof(DateTime))
                    return new DateTime(1970, 1, 1, 0, 0, 0, DateTimeKind.Utc).AddSeconds(double.Parse(word, CultureInfo.InvariantCulture));
                if (type == typeof(object))
                    return word == "true" || word == "false" ? (object)(word == "true") : double.Parse(word, CultureInfo.InvariantCulture);
                return Convert.ChangeType(word, type, CultureInfo.InvariantCulture);
            }

            string Text()
            {
                var b = new StringBuilder();
                for (at++; s[at] != '"'; at++)
                {
                    if (s[at] != '\\')
                        b.Append(s[at]);
                    else if (s[++at] == 'u')
                    {
                        b.Append((char)ushort.Parse(s.Substring(at + 1, 4), NumberStyles.AllowHexSpecifier));
                        at += 4;
                    }
                    else
                        b.Append("nt".IndexOf(s[at]) >= 0 ? "\n\t"["nt".IndexOf(s[at])] : s[at]);
                }
                at++;
                return b.ToString();
            }

            object Object(Type type)
            {
                Type item = typeof(object);
                if (type == typeof(object) || type.IsGenericType && typeof(IDictionary).IsAssignableFrom(type) || type.IsGenericType && type.IsInterface)
                {
                    item = type.IsGenericType ? type.GetGenericArguments()[1] : item;
                    type = typeof(Dictionary<,>).MakeGenericType(typeof(string), item);
                }
                object value = Activator.CreateInstance(type);
                at++;
                while (!Next('}'))
                {
                    Next(',');
                    Peek();
                    string name = Text();
                    Next(':');
                    if (value is IDictionary)
                        ((IDictionary)value)[name] = Value(item);
                    else
                    {
                        PropertyInfo p = type.GetProperty(name, BindingFlags.Public | BindingFlags.Instance | BindingFlags.IgnoreCase);
                        object member = Value(p == null ? typeof(object) : p.PropertyType);
                        if (p != null)
                            p.SetValue(value, member, null);
                    }
                }
                return value;
            }

            object List(Type type)
            {
                Type item = type.IsArray ? type.GetElementType() : type.IsGenericType ? type.GetGenericArguments()[0] : typeof(object);
                var items = (IList)Activator.CreateInstance(typeof(List<>).MakeGenericType(item));
                at++;
                while (!Next(']'))
                {
                    Next(',');
                    items.Add(Value(item));
                }
                if (!type.IsArray)
                    return items;
                Array array = Array.CreateInstance(item, items.Count);
                items.CopyTo(array, 0);
                return array;
            }
        }
    }
}
