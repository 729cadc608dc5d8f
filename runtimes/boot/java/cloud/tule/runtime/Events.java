package cloud.tule.runtime;

import java.util.HashMap;
import java.util.Locale;
import java.util.Map;

/**
 * The classes of aws-lambda-java-events whose properties are called otherwise in JSON. Their annotations do
 * not count, so AWS's runtime has a list; this is what it says, as its effect on each class.
 */
final class Events {
    static final String PACKAGE = "com.amazonaws.services.lambda.runtime.events.";

    private static final String ATTRIBUTE = "S N B NULL BOOL SS NS BS M L";
    private static final String STREAM =
            "Keys SizeBytes SequenceNumber StreamViewType NewImage OldImage ApproximateCreationDateTime";
    private static final String EVERY = "*"; // each with its first letter in upper case

    private static final Map<String, String> NAMES = new HashMap<>();

    static {
        put("CloudFormationCustomResourceEvent", "RequestType ServiceToken PhysicalResourceId ResponseURL StackId RequestId"
                + " LogicalResourceId ResourceType ResourceProperties OldResourceProperties");
        put("CloudFrontEvent", "Records");
        put("CloudWatchLogsEvent", "awslogs");
        put("CodeCommitEvent", "Records");
        put("CodeCommitEvent$Record", "codecommit eventSourceARN userIdentityARN");
        put("ConnectEvent", "Details Name");
        put("ConnectEvent$Details", "ContactData Parameters");
        put("ConnectEvent$ContactData", "Attributes Channel ContactId CustomerEndpoint InitialContactId InitiationMethod"
                + " InstanceARN PreviousContactId Queue SystemEndpoint");
        put("ConnectEvent$CustomerEndpoint", "Address Type");
        put("ConnectEvent$SystemEndpoint", "Address Type");
        put("ConnectEvent$Queue", EVERY);
        put("DynamodbEvent", "Records");
        put("DynamodbTimeWindowEvent", "Records eventSourceARN");
        put("DynamodbEvent$DynamodbStreamRecord", "eventName eventSourceARN");
        put("models.dynamodb.StreamRecord", STREAM);
        put("models.dynamodb.AttributeValue", ATTRIBUTE);
        NAMES.put("com.amazonaws.services.dynamodbv2.model.StreamRecord", STREAM);
        NAMES.put("com.amazonaws.services.dynamodbv2.model.AttributeValue", ATTRIBUTE);
        put("KinesisEvent", "Records");
        put("KinesisTimeWindowEvent", "Records eventSourceARN");
        put("KinesisEvent$Record", "encryptionType");
        for (String s3 : new String[] {PACKAGE + "models.s3.", "com.amazonaws.services.s3.event."}) {
            NAMES.put(s3 + "S3EventNotification", "Records");
            NAMES.put(s3 + "S3EventNotification$ResponseElementsEntity", "x-amz-id-2 x-amz-request-id");
        }
        put("ScheduledEvent", "detail-type");
        put("SecretsManagerRotationEvent", "Step SecretId ClientRequestToken RotationToken");
        put("SNSEvent", EVERY);
        put("SNSEvent$SNSRecord", EVERY);
        put("SNSEvent$SNS", EVERY);
        put("SNSEvent$MessageAttribute", EVERY);
        put("SQSEvent", "Records");
        put("SQSEvent$SQSMessage", "eventSourceARN");
    }

    private Events() {}

    private static void put(String name, String properties) {
        NAMES.put(PACKAGE + name, properties);
    }

    /** What JSON calls a property of a class. */
    static String rename(Class<?> owner, String property) {
        if (!owner.getName().startsWith("com.amazonaws.")) {
            return property;
        }
        for (Class<?> c = owner; c != null; c = c.getSuperclass()) {
            String names = NAMES.get(c.getName());
            if (names == null) {
                continue;
            }
            if (names.equals(EVERY)) {
                // getSNS and setSns are one property.
                return property.equalsIgnoreCase("sns") ? "Sns" : property.substring(0, 1).toUpperCase(Locale.ROOT) + property.substring(1);
            }
            for (String name : names.split(" ")) {
                if (name.replace("-", "").equalsIgnoreCase(property)) {
                    return name;
                }
            }
        }
        return property;
    }

    /** Whether the list names a property itself: those are written after the others. */
    static boolean isNamed(Class<?> owner, String name) {
        if (!owner.getName().startsWith("com.amazonaws.")) {
            return false;
        }
        for (Class<?> c = owner; c != null; c = c.getSuperclass()) {
            String names = NAMES.get(c.getName());
            if (names != null && (names.equals(EVERY) ? name.equals("Sns") : (" " + names + " ").contains(" " + name + " "))) {
                return true;
            }
        }
        return false;
    }

    /** Whether dates in a value of the class are seconds, as AWS's events have them. */
    static boolean inSeconds(Class<?> c) {
        return c.getName().startsWith(PACKAGE);
    }

    /**
     * Whether a class is of S3's notifications, which have no setters: a constructor takes all fields, in
     * their order. What an event does not have is the empty string there, or an object of such.
     */
    static boolean byConstructor(Class<?> c) {
        return c.getName().startsWith("com.amazonaws.services.") && c.getName().contains(".S3Event");
    }
}
