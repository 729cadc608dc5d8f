package cloud.tule.runtime;

import com.amazonaws.services.lambda.runtime.LambdaLogger;
import com.amazonaws.services.lambda.runtime.logging.LogFormat;
import com.amazonaws.services.lambda.runtime.logging.LogLevel;
import java.io.ByteArrayOutputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.io.UnsupportedEncodingException;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;

/** The function's log: each line that it prints is an event, and so is each call of a LambdaLogger. */
public final class Log implements LambdaLogger {
    private static Log log;

    private final Wire wire;
    private final Lines out = new Lines();
    private final Lines err = new Lines();
    private LogFormat format = LogFormat.TEXT;
    private LogLevel level = LogLevel.UNDEFINED;
    private String request;

    private Log(Wire wire) {
        this.wire = wire;
    }

    /** The one that handlers and log4j's appenders get. */
    public static LambdaLogger logger() {
        return log;
    }

    /** Makes System.out and System.err lead to the log. */
    static Log open(Wire wire) throws UnsupportedEncodingException {
        log = new Log(wire);
        System.setOut(new PrintStream(log.out, false, "UTF-8"));
        System.setErr(new PrintStream(log.err, false, "UTF-8"));
        return log;
    }

    /** Takes the function's settings over, once they are known. */
    void configure() {
        String wanted = System.getenv("AWS_LAMBDA_LOG_FORMAT");
        if ("JSON".equals(wanted)) {
            format = LogFormat.JSON;
        }
        wanted = System.getenv("AWS_LAMBDA_LOG_LEVEL");
        if (wanted != null && format == LogFormat.JSON) {
            try {
                level = LogLevel.fromString(wanted);
            } catch (IllegalArgumentException e) {
                level = LogLevel.UNDEFINED; // all is logged
            }
        }
    }

    void request(String id) {
        request = id;
    }

    /** Logs what was printed without an end of line. */
    void settle() {
        out.settle();
        err.settle();
    }

    /** Logs a fault of the function's. */
    void error(String text) {
        settle();
        log(text, format == LogFormat.JSON ? LogLevel.ERROR : LogLevel.UNDEFINED);
    }

    @Override
    public void log(String message) {
        log(message, LogLevel.UNDEFINED);
    }

    @Override
    public void log(byte[] message) {
        log(message, LogLevel.UNDEFINED);
    }

    private boolean isEnabled(LogLevel of) {
        return of == LogLevel.UNDEFINED || of.compareTo(level) >= 0;
    }

    @Override
    public void log(String message, LogLevel of) {
        if (!isEnabled(of)) {
            return;
        }
        String text = String.valueOf(message);
        if (format == LogFormat.JSON) {
            text = structured(text, of);
        } else if (of != LogLevel.UNDEFINED) {
            text = "[" + of + "] " + text;
        }
        event(text.getBytes(StandardCharsets.UTF_8));
    }

    @Override
    public void log(byte[] message, LogLevel of) {
        if (isEnabled(of) && message != null) {
            event(message);
        }
    }

    private void event(byte[] text) {
        int n = text.length > 0 && text[text.length - 1] == '\n' ? text.length - 1 : text.length;
        wire.send(Wire.LOG, n == text.length ? text : java.util.Arrays.copyOf(text, n));
    }

    private String structured(String message, LogLevel of) {
        String time = DateTimeFormatter.ofPattern("yyyy-MM-dd'T'HH:mm:ss.SSS'Z'").withZone(ZoneOffset.UTC).format(Instant.now());
        String json = "{\"timestamp\":\"" + time + "\",\"message\":" + JsonWriter.quoted(message) + ",\"level\":\"" + of + '"';
        return request == null ? json + '}' : json + ",\"AWSRequestId\":" + JsonWriter.quoted(request) + '}';
    }

    /** Cuts what is printed into lines. */
    private final class Lines extends OutputStream {
        private final ByteArrayOutputStream held = new ByteArrayOutputStream();

        @Override
        public synchronized void write(int b) {
            if (b == '\n') {
                send();
            } else {
                held.write(b);
            }
        }

        @Override
        public synchronized void write(byte[] b, int from, int n) {
            int start = from;
            for (int i = from; i < from + n; i++) {
                if (b[i] == '\n') {
                    held.write(b, start, i - start);
                    send();
                    start = i + 1;
                }
            }
            held.write(b, start, from + n - start);
        }

        private void send() {
            byte[] line = held.toByteArray();
            held.reset();
            wire.send(Wire.LOG, line);
        }

        synchronized void settle() {
            if (held.size() > 0) {
                send();
            }
        }
    }
}
