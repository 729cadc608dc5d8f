// What a process does that waits for its function: it rehearses a start and a call with
// a function of its own, so that all which every function needs is compiled and loaded.
using System;
using System.Collections.Generic;
using System.IO;
using System.Text;

namespace Tule
{
    /// <summary>The function of the rehearsal.</summary>
    public sealed class Rehearsal
    {
        public Stream Handle(Stream input) { return input; }

        /// <summary>As ILambdaContext is.</summary>
        public interface IContext
        {
            string AwsRequestId { get; }
            int MemoryLimitInMB { get; }
            TimeSpan RemainingTime { get; }
            ILogger Logger { get; }
        }

        public interface ILogger
        {
            void Log(string message);
            void Log(string level, string message, params object[] args);
        }
    }

    static class Warm
    {
        public static void Up()
        {
            string name = typeof(Rehearsal).Assembly.GetName().Name, folder = AppDomain.CurrentDomain.BaseDirectory;
            var text = new StringBuilder("{\"handler\":");
            Json.Quote(text, name + "::Tule.Rehearsal::Handle");
            text.Append(",\"memory\":\"128\",\"major\":8,\"environ\":[\"A=b\"],\"taskRoot\":");
            Json.Quote(text, folder);
            var config = new Config(text.Append('}').ToString());
            Wire.Touch();
            Log.Begin(config);
            Handler handler = Handler.Load(config);
            var call = new Invocation(new byte[64], config);
            handler.Invoke(call);
            var context = (Rehearsal.IContext)Context.For(typeof(Rehearsal.IContext), call, null);
            if (context.AwsRequestId + context.MemoryLimitInMB + context.RemainingTime != "" && context.Logger == null)
                throw new InvalidOperationException();
            Log.Rehearse();
        }
    }
}
