import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.UUID;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.http.Protocol;
import software.amazon.awssdk.http.nio.netty.NettyNioAsyncHttpClient;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.cloudwatch.CloudWatchAsyncClient;
import software.amazon.awssdk.services.dynamodb.DynamoDbAsyncClient;
import software.amazon.awssdk.services.kinesis.KinesisAsyncClient;
import software.amazon.kinesis.common.ConfigsBuilder;
import software.amazon.kinesis.common.InitialPositionInStream;
import software.amazon.kinesis.common.InitialPositionInStreamExtended;
import software.amazon.kinesis.coordinator.Scheduler;
import software.amazon.kinesis.lifecycle.events.InitializationInput;
import software.amazon.kinesis.lifecycle.events.LeaseLostInput;
import software.amazon.kinesis.lifecycle.events.ProcessRecordsInput;
import software.amazon.kinesis.lifecycle.events.ShardEndedInput;
import software.amazon.kinesis.lifecycle.events.ShutdownRequestedInput;
import software.amazon.kinesis.metrics.MetricsLevel;
import software.amazon.kinesis.processor.ShardRecordProcessor;
import software.amazon.kinesis.retrieval.KinesisClientRecord;
import software.amazon.kinesis.retrieval.polling.PollingConfig;

/** One worker of an application of the Kinesis Client Library: it prints what it is given. */
public class Worker {
    static void say(String text) {
        synchronized (System.out) {
            System.out.println(text);
            System.out.flush();
        }
    }

    static class Processor implements ShardRecordProcessor {
        private String shard;

        @Override public void initialize(InitializationInput in) {
            shard = in.shardId();
            say("begin " + shard);
        }

        @Override public void processRecords(ProcessRecordsInput in) {
            for (KinesisClientRecord r : in.records()) {
                say("record " + shard + " " + r.sequenceNumber() + " " + StandardCharsets.UTF_8.decode(r.data()));
            }
            try {
                in.checkpointer().checkpoint();
            } catch (Exception e) {
                say("failed " + e);
            }
        }

        @Override public void leaseLost(LeaseLostInput in) {
            say("lost " + shard);
        }

        @Override public void shardEnded(ShardEndedInput in) {
            say("ended " + shard);
            try {
                in.checkpointer().checkpoint();
            } catch (Exception e) {
                say("failed " + e);
            }
        }

        @Override public void shutdownRequested(ShutdownRequestedInput in) {
            say("stop " + shard);
        }
    }

    public static void main(String[] args) {
        URI endpoint = URI.create(args[0]);
        String stream = args[1], worker = args[2];
        StaticCredentialsProvider key = StaticCredentialsProvider.create(AwsBasicCredentials.create("test", "test"));
        KinesisAsyncClient kinesis = KinesisAsyncClient.builder().endpointOverride(endpoint).region(Region.US_EAST_1).credentialsProvider(key)
            .httpClientBuilder(NettyNioAsyncHttpClient.builder().protocol(Protocol.HTTP1_1)).build();
        DynamoDbAsyncClient dynamo = DynamoDbAsyncClient.builder().endpointOverride(endpoint).region(Region.US_EAST_1).credentialsProvider(key).build();
        CloudWatchAsyncClient metrics = CloudWatchAsyncClient.builder().endpointOverride(endpoint).region(Region.US_EAST_1).credentialsProvider(key).build();
        ConfigsBuilder c = new ConfigsBuilder(stream, "application", kinesis, dynamo, metrics, worker + "-" + UUID.randomUUID(), Processor::new);
        Scheduler scheduler = new Scheduler(c.checkpointConfig(),
            c.coordinatorConfig().parentShardPollIntervalMillis(500).shardConsumerDispatchPollIntervalMillis(100),
            c.leaseManagementConfig().failoverTimeMillis(3000).shardSyncIntervalMillis(1000).initialPositionInStream(
                InitialPositionInStreamExtended.newInitialPosition(InitialPositionInStream.TRIM_HORIZON)),
            c.lifecycleConfig(), c.metricsConfig().metricsLevel(MetricsLevel.NONE), c.processorConfig(),
            c.retrievalConfig().retrievalSpecificConfig(new PollingConfig(stream, kinesis).idleTimeBetweenReadsInMillis(300))
                .initialPositionInStreamExtended(InitialPositionInStreamExtended.newInitialPosition(InitialPositionInStream.TRIM_HORIZON)));
        scheduler.run();
    }
}
