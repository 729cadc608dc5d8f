// Tule's bootstrap for C#: the conversation on descriptor 3, whose frames frame.go
// describes. It is compiled on the machine for the host that is found there, .NET or
// Mono, and refers to nothing but the base library: what it knows of Amazon.Lambda.Core
// it finds by name in the function's package, whichever version that has.
using System;
using System.Collections.Generic;
using System.IO;
using System.Runtime.InteropServices;
using System.Text;

namespace Tule
{
    /// <summary>What the init frame says of the function.</summary>
    sealed class Config
    {
        readonly Dictionary<string, object> values;

        public Config(string json) { values = (Dictionary<string, object>)Json.Parse(json); }

        public string Text(string name)
        {
            object value;
            return values.TryGetValue(name, out value) ? value as string ?? "" : "";
        }

        public int Number(string name)
        {
            object value;
            return values.TryGetValue(name, out value) && value is double ? (int)(double)value : 0;
        }

        public List<object> List(string name)
        {
            object value;
            return values.TryGetValue(name, out value) ? value as List<object> : null;
        }

        /// <summary>Which runtime is imitated: 1 for dotnetcore1.0, 8 for dotnet8.</summary>
        public int Major { get { return Number("major"); } }

        public string TaskRoot { get { return Text("taskRoot"); } }
    }

    static class Bootstrap
    {
        const int Protocol = 1;

        static Config config;
        static bool traced;

        static int Main(string[] args)
        {
            if (args.Length > 0)
                Warm.Up();
            byte[] first = Wire.Receive();
            if (first == null)
                return 0;
            config = new Config(Encoding.UTF8.GetString(first));
            if (config.Number("protocol") != Protocol)
                return 70;
            if (args.Length > 0)
                TakeOver(config);
            Log.Begin(config);
            AppDomain.CurrentDomain.ProcessExit += delegate { Log.Settle(); };
            Handler handler;
            try
            {
                Assemblies.Begin(config.TaskRoot);
                handler = Handler.Load(config);
            }
            catch (Exception e)
            {
                Report(Wire.Fault, "", e);
                return 1;
            }
            Log.Settle();
            Wire.Send(Wire.Ready, new byte[] { Protocol });
            for (;;)
            {
                byte[] body = Wire.Receive();
                if (body == null)
                    Environment.Exit(0); // whatever other threads are at
                Answer(handler, body);
            }
        }

        /// <summary>Answers one invoke frame.</summary>
        static void Answer(Handler handler, byte[] body)
        {
            var call = new Invocation(body, config);
            Log.Request = call;
            if (call.TraceId != "" || traced)
            {
                traced = call.TraceId != "";
                Environment.SetEnvironmentVariable("_X_AMZN_TRACE_ID", traced ? call.TraceId : null);
            }
            Assemblies.Trace(call.TraceId);
            MemoryStream result;
            try
            {
                result = handler.Invoke(call);
            }
            catch (Exception e)
            {
                Report(Wire.Error, "U", Errors.Bare(e));
                return;
            }
            Log.Settle();
            ArraySegment<byte> bytes;
            if (!result.TryGetBuffer(out bytes))
                bytes = new ArraySegment<byte>(result.ToArray());
            Wire.Send(Wire.Result, bytes.Array, bytes.Offset, bytes.Count);
        }

        static void Report(byte kind, string lead, Exception e)
        {
            Log.Settle();
            Log.Failure(e);
            Wire.Send(kind, Encoding.UTF8.GetBytes(lead + Errors.Describe(e)));
        }

        /// <summary>Gives the process its variables and its folder, as if it had been started with them.</summary>
        static void TakeOver(Config config)
        {
            var names = new List<string>();
            foreach (object name in Environment.GetEnvironmentVariables().Keys)
                names.Add((string)name);
            foreach (string name in names)
                Environment.SetEnvironmentVariable(name, null);
            foreach (object pair in config.List("environ"))
            {
                var text = (string)pair;
                int at = text.IndexOf('=');
                Environment.SetEnvironmentVariable(text.Substring(0, at), text.Substring(at + 1));
            }
            Directory.SetCurrentDirectory(config.TaskRoot);
        }
    }

    /// <summary>One event, as the invoke frame has it.</summary>
    sealed class Invocation
    {
        static readonly DateTime Epoch = new DateTime(1970, 1, 1, 0, 0, 0, DateTimeKind.Utc);

        public readonly Config Config;
        public readonly string RequestId, Arn, TraceId, Client, Identity;
        readonly long deadline;
        readonly byte[] body;
        readonly int start;

        public Invocation(byte[] body, Config config)
        {
            this.body = body;
            Config = config;
            deadline = (long)Wire.Number(body, 0) << 32 | Wire.Number(body, 4);
            int at = 8;
            RequestId = Field(ref at);
            Arn = Field(ref at);
            TraceId = Field(ref at);
            Client = Field(ref at);
            Identity = Field(ref at);
            start = at;
        }

        string Field(ref int at)
        {
            int n = (int)Wire.Number(body, at);
            at += 4 + n;
            return Encoding.UTF8.GetString(body, at - n, n);
        }

        /// <summary>The event: a stream of its own for each who asks.</summary>
        public Stream Event { get { return new MemoryStream(body, start, body.Length - start, false); } }

        public TimeSpan Remaining
        {
            get { return Epoch.AddMilliseconds(deadline) - DateTime.UtcNow; }
        }
    }

    /// <summary>Frames, by the system's own calls: a stream's layers cost more than they do.</summary>
    static unsafe class Wire
    {
        const int Descriptor = 3, Header = 5, Chunk = 65536, Interrupted = 4;

        public const byte Ready = (byte)'r', Fault = (byte)'x', Line = (byte)'l', Result = (byte)'s', Error = (byte)'e', Next = (byte)'n';

        static byte[] buffer = new byte[Chunk];
        static int from, to; // what has been read and not yet given
        static readonly object turn = new object();

        [DllImport("libc", SetLastError = true)]
        static extern IntPtr read(int fd, byte* into, IntPtr n);

        [DllImport("libc", SetLastError = true)]
        static extern IntPtr write(int fd, byte* from, IntPtr n);

        [DllImport("libc")]
        static extern int fcntl(int fd, int command, IntPtr argument);

        /// <summary>Keeps the conversation from the children of the function.</summary>
        static Wire() { fcntl(Descriptor, 2, (IntPtr)1); }

        public static uint Number(byte[] b, int at)
        {
            return (uint)b[at] << 24 | (uint)b[at + 1] << 16 | (uint)b[at + 2] << 8 | b[at + 3];
        }

        /// <summary>Writes nothing, so that the first write is none that has to be prepared.</summary>
        public static void Touch()
        {
            byte none = 0;
            write(Descriptor, &none, IntPtr.Zero);
        }

        /// <summary>The next frame's body; null at the end of the conversation.</summary>
        public static byte[] Receive()
        {
            while (to - from < Header)
                if (!Fill())
                    return null;
            var body = new byte[Number(buffer, from)];
            from += Header;
            int have = Math.Min(to - from, body.Length);
            Buffer.BlockCopy(buffer, from, body, 0, have);
            from += have;
            while (have < body.Length)
            {
                int n = Read(body, have, body.Length - have);
                if (n <= 0)
                    return null;
                have += n;
            }
            return body;
        }

        static bool Fill()
        {
            if (from > 0)
            {
                Buffer.BlockCopy(buffer, from, buffer, 0, to - from);
                to -= from;
                from = 0;
            }
            int n = Read(buffer, to, buffer.Length - to);
            to += Math.Max(n, 0);
            return n > 0;
        }

        static int Read(byte[] b, int at, int n)
        {
            for (;;)
            {
                long got;
                fixed (byte* p = b)
                    got = (long)read(Descriptor, p + at, (IntPtr)n);
                if (got >= 0 || Marshal.GetLastWin32Error() != Interrupted)
                    return (int)got;
            }
        }

        public static void Send(byte kind, byte[] body) { Send(kind, body, 0, body.Length); }

        public static void Send(byte kind, byte[] body, int start, int count)
        {
            bool outcome = kind == Result || kind == Error;
            var b = new byte[Header + count + (outcome ? Header : 0)];
            b[0] = (byte)(count >> 24);
            b[1] = (byte)(count >> 16);
            b[2] = (byte)(count >> 8);
            b[3] = (byte)count;
            b[4] = kind;
            Buffer.BlockCopy(body, start, b, Header, count);
            if (outcome)
                b[b.Length - 1] = Next; // an empty frame: the next event may come
            lock (turn)
                Write(b);
        }

        static void Write(byte[] b)
        {
            for (int done = 0; done < b.Length;)
            {
                long n;
                fixed (byte* p = b)
                    n = (long)write(Descriptor, p + done, (IntPtr)(b.Length - done));
                if (n >= 0)
                    done += (int)n;
                else if (Marshal.GetLastWin32Error() != Interrupted)
                    Environment.FailFast("nobody listens any more");
            }
        }
    }
}
