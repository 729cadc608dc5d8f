// A stand-in for AWS's package of this name, as its newest version is: what functions
// refer to, and the fields that a runtime sets.
using System;
using System.Collections.Generic;

namespace Amazon.Lambda.Core
{
    public interface ILambdaContext
    {
        string AwsRequestId { get; }
        IClientContext ClientContext { get; }
        string FunctionName { get; }
        string FunctionVersion { get; }
        ICognitoIdentity Identity { get; }
        string InvokedFunctionArn { get; }
        ILambdaLogger Logger { get; }
        string LogGroupName { get; }
        string LogStreamName { get; }
        int MemoryLimitInMB { get; }
        TimeSpan RemainingTime { get; }
        string TenantId { get; }
        string TraceId { get; }
        ILambdaSerializer Serializer { get; }
    }

    public interface IClientContext
    {
        IDictionary<string, string> Environment { get; }
        IClientApplication Client { get; }
        IDictionary<string, string> Custom { get; }
    }

    public interface IClientApplication
    {
        string AppPackageName { get; }
        string AppTitle { get; }
        string AppVersionCode { get; }
        string AppVersionName { get; }
        string InstallationId { get; }
    }

    public interface ICognitoIdentity
    {
        string IdentityId { get; }
        string IdentityPoolId { get; }
    }

    public enum LogLevel { Trace, Debug, Information, Warning, Error, Critical }

    public interface ILambdaLogger
    {
        void Log(string message);
        void LogLine(string message);
        void Log(string level, string message);
        void Log(string level, string message, params object[] args);
        void Log(string level, Exception exception, string message, params object[] args);
    }

    // In AWS's package these are methods that the interface itself implements.
    public static class LoggerMethods
    {
        public static void LogInformation(this ILambdaLogger logger, string message) { logger.Log(LogLevel.Information.ToString(), message); }
        public static void LogError(this ILambdaLogger logger, Exception e, string message, params object[] args) { logger.Log(LogLevel.Error.ToString(), e, message, args); }
    }

    public interface ILambdaSerializer
    {
        T Deserialize<T>(System.IO.Stream requestStream);
        void Serialize<T>(T response, System.IO.Stream responseStream);
    }

    [AttributeUsage(AttributeTargets.Method | AttributeTargets.Assembly)]
    public sealed class LambdaSerializerAttribute : Attribute
    {
        public Type SerializerType { get; set; }
        public LambdaSerializerAttribute(Type serializerType) { SerializerType = serializerType; }
    }

    public static class LambdaLogger
    {
        static Action<string> _loggingAction = Console.WriteLine;
        static Action<string, string, object[]> _loggingWithLevelAction = delegate { };
        static Action<string, Exception, string, object[]> _loggingWithLevelAndExceptionAction = delegate { };

        public static void Log(string message) { _loggingAction(message); }
        public static void Log(string level, string message, params object[] args) { _loggingWithLevelAction(level, message, args); }
        public static void Log(string level, Exception e, string message, params object[] args) { _loggingWithLevelAndExceptionAction(level, e, message, args); }
    }

    public class LambdaTraceProvider
    {
        static string current;
        internal static void SetCurrentTraceId(string id) { current = id; }
        public static string CurrentTraceId { get { return current; } }
    }
}
