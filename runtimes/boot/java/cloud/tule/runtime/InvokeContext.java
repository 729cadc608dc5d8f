package cloud.tule.runtime;

import com.amazonaws.services.lambda.runtime.Client;
import com.amazonaws.services.lambda.runtime.ClientContext;
import com.amazonaws.services.lambda.runtime.CognitoIdentity;
import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.LambdaLogger;
import java.util.LinkedHashMap;
import java.util.Map;

/** What a handler is told of its invoke. */
final class InvokeContext implements Context {
    private final Settings settings;
    private final Invoke invoke;
    private final ClientContext client;
    private final CognitoIdentity identity;

    InvokeContext(Settings settings, Invoke invoke) throws JsonException {
        this.settings = settings;
        this.invoke = invoke;
        client = invoke.client.length == 0 ? null : new Mobile(object(new JsonReader(invoke.client).any()));
        identity = invoke.identity.length == 0 ? null : new Cognito(object(new JsonReader(invoke.identity).any()));
    }

    private static Map<?, ?> object(Object json) {
        return json instanceof Map ? (Map<?, ?>) json : new LinkedHashMap<>();
    }

    private static String text(Map<?, ?> map, String name) {
        Object value = map.get(name);
        return value == null ? null : value.toString();
    }

    @Override
    public String getAwsRequestId() {
        return invoke.id;
    }

    @Override
    public String getLogGroupName() {
        return settings.group;
    }

    @Override
    public String getLogStreamName() {
        return settings.stream;
    }

    @Override
    public String getFunctionName() {
        return settings.function;
    }

    @Override
    public String getFunctionVersion() {
        return settings.version;
    }

    @Override
    public String getInvokedFunctionArn() {
        return invoke.arn;
    }

    @Override
    public CognitoIdentity getIdentity() {
        return identity;
    }

    @Override
    public ClientContext getClientContext() {
        return client;
    }

    @Override
    public int getRemainingTimeInMillis() {
        return (int) Math.max(Math.min(invoke.deadline - System.currentTimeMillis(), Integer.MAX_VALUE), 0);
    }

    @Override
    public int getMemoryLimitInMB() {
        return settings.memory;
    }

    @Override
    public LambdaLogger getLogger() {
        return Log.logger();
    }

    @Override
    public String getXrayTraceId() {
        return invoke.trace.isEmpty() ? null : invoke.trace;
    }

    private static final class Cognito implements CognitoIdentity {
        private final Map<?, ?> json;

        Cognito(Map<?, ?> json) {
            this.json = json;
        }

        @Override
        public String getIdentityId() {
            return text(json, "cognitoIdentityId");
        }

        @Override
        public String getIdentityPoolId() {
            return text(json, "cognitoIdentityPoolId");
        }
    }

    private static final class Mobile implements ClientContext, Client {
        private final Map<?, ?> json;
        private final Map<?, ?> client;

        Mobile(Map<?, ?> json) {
            this.json = json;
            client = json.get("client") instanceof Map ? (Map<?, ?>) json.get("client") : null;
        }

        @Override
        public Client getClient() {
            return client == null ? null : this;
        }

        private Map<String, String> texts(String name) {
            if (!(json.get(name) instanceof Map)) {
                return null;
            }
            Map<String, String> out = new LinkedHashMap<>();
            for (Map.Entry<?, ?> e : ((Map<?, ?>) json.get(name)).entrySet()) {
                out.put((String) e.getKey(), e.getValue() == null ? null : e.getValue().toString());
            }
            return out;
        }

        @Override
        public Map<String, String> getCustom() {
            return texts("custom");
        }

        @Override
        public Map<String, String> getEnvironment() {
            return texts("env");
        }

        @Override
        public String getInstallationId() {
            return text(client, "installation_id");
        }

        @Override
        public String getAppTitle() {
            return text(client, "app_title");
        }

        @Override
        public String getAppVersionName() {
            return text(client, "app_version_name");
        }

        @Override
        public String getAppVersionCode() {
            return text(client, "app_version_code");
        }

        @Override
        public String getAppPackageName() {
            return text(client, "app_package_name");
        }
    }
}
