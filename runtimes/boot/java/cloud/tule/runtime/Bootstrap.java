package cloud.tule.runtime;

import com.amazonaws.services.lambda.runtime.LambdaRuntimeInternal;
import java.io.IOError;

/**
 * Tule's bootstrap for Java 8 to 25: loads the function's handler, and has the conversation on descriptor 3.
 * The main thread waits for the next event in read, so nothing of ours runs between invokes.
 */
public final class Bootstrap {
    private static final int PROTOCOL = 1;
    private static final byte[] UNHANDLED = {'U'};
    private static final byte[] EXITING = {'X'};

    private final Wire wire;
    private final Settings settings;
    private final Log log;
    private final UserLoader loader;

    private Bootstrap(Wire wire, Settings settings) throws Exception {
        this.wire = wire;
        this.settings = settings;
        log = Log.open(wire);
        log.configure();
        Runtime.getRuntime().addShutdownHook(new Thread(log::settle));
        loader = new UserLoader(settings.root);
        Thread.currentThread().setContextClassLoader(loader);
    }

    /**
     * Starts it. "modern" has it get ready for any function first, "practice" does that alone; "name=value" is
     * a system property, unless the function has it set by JAVA_TOOL_OPTIONS.
     */
    public static void main(String[] args) throws Exception {
        for (String arg : args) {
            int equals = arg.indexOf('=');
            if (equals < 0) {
                Practice.run();
                Native.prepare();
            } else if (System.getProperty(arg.substring(0, equals)) == null) {
                System.setProperty(arg.substring(0, equals), arg.substring(equals + 1));
            }
            if (arg.equals("practice")) {
                return;
            }
        }
        Wire wire = new Wire();
        byte[] body = wire.receive();
        if (body == null) {
            return;
        }
        Settings settings = new Settings(body);
        if (settings.protocol != PROTOCOL) {
            Runtime.getRuntime().halt(70);
        }
        if (settings.environ != null) {
            Variables.replace(settings.environ);
            Native.take(settings.root, settings.environ);
        }
        String ttl = System.getenv("AWS_LAMBDA_JAVA_NETWORKADDRESS_CACHE_NEGATIVE_TTL");
        if (ttl != null) {
            java.security.Security.setProperty("networkaddress.cache.negative.ttl", ttl);
        }
        new Bootstrap(wire, settings).run();
    }

    private void run() throws Exception {
        Handler handler = null;
        try {
            handler = new Handlers(loader).find(settings.handler);
        } catch (Throwable t) {
            log.error(Fault.of(t, true).log());
            wire.send(Wire.FAULT, Fault.json(t));
            Runtime.getRuntime().halt(1);
        }
        log.settle();
        wire.send(Wire.READY, new byte[] {PROTOCOL});
        for (byte[] body = wire.receive(); body != null; body = wire.receive()) {
            answer(handler, new Invoke(body));
        }
        Runtime.getRuntime().halt(0); // whatever threads the user has
    }

    private void answer(Handler handler, Invoke invoke) {
        log.request(invoke.id);
        byte[] result;
        try {
            trace(invoke.trace);
            loader.tell(invoke.id, LambdaRuntimeInternal.getUseLog4jAppender());
            result = handler.call(invoke.event, new InvokeContext(settings, invoke));
        } catch (Throwable t) {
            fail(t);
            return;
        }
        Thread.interrupted(); // what the user's code left is not the next event's
        log.settle();
        wire.send(Wire.RESULT, result);
    }

    /** Answers with an error. After one of the machine's own the process is not to be trusted. */
    private void fail(Throwable t) {
        Thread.interrupted();
        boolean exits = t instanceof VirtualMachineError || t instanceof IOError;
        log.error(Fault.of(t, false).log());
        wire.send(Wire.ERROR, exits ? EXITING : UNHANDLED, Fault.json(t));
        if (exits) {
            Runtime.getRuntime().halt(1);
        }
    }

    /** Tells AWS's X-Ray SDK of the trace. */
    private static void trace(String header) {
        if (header.isEmpty()) {
            System.clearProperty("com.amazonaws.xray.traceHeader");
        } else {
            System.setProperty("com.amazonaws.xray.traceHeader", header);
        }
    }
}
