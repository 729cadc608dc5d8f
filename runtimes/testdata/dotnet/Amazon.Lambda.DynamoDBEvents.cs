// A stand-in for AWS's package of this name.
using System;
using System.Collections.Generic;

namespace Amazon.Lambda.DynamoDBEvents
{
    public class AttributeValue
    {
        public string S { get; set; }
        public string N { get; set; }
    }

    public class StreamRecord
    {
        public DateTime ApproximateCreationDateTime { get; set; }
        public Dictionary<string, AttributeValue> Keys { get; set; }
        public Dictionary<string, AttributeValue> NewImage { get; set; }
        public string SequenceNumber { get; set; }
        public long SizeBytes { get; set; }
        public string StreamViewType { get; set; }
    }

    public class DynamoDBEvent
    {
        public IList<DynamodbStreamRecord> Records { get; set; }

        public class DynamodbStreamRecord
        {
            public string AwsRegion { get; set; }
            public StreamRecord Dynamodb { get; set; }
            public string EventID { get; set; }
            public string EventName { get; set; }
            public string EventSource { get; set; }
            public string EventSourceArn { get; set; }
            public string EventVersion { get; set; }
        }
    }
}
