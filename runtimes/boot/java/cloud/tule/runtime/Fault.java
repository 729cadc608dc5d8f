package cloud.tule.runtime;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.Set;

/** What the function does wrong, as its caller and its log are told. */
final class Fault extends RuntimeException {
    private static final long serialVersionUID = 1;
    private static final String OURS = Fault.class.getPackage().getName() + ".";

    private final String message;
    private final String type; // may be null
    private final String trace; // may be null

    /** Whether it ends the process, instead of being the answer to every invoke. */
    final boolean fatal;

    private Fault(String message, String type, String trace, boolean fatal) {
        super(message, null, false, false);
        this.message = message;
        this.type = type;
        this.trace = trace;
        this.fatal = fatal;
    }

    static Fault of(String message) {
        return new Fault(message, null, null, false);
    }

    static Fault of(Throwable t, boolean fatal) {
        return t instanceof Fault ? (Fault) t : new Fault(messageOf(t), t.getClass().getName(), traceOf(t), fatal);
    }

    static Fault of(String message, Throwable t, boolean fatal) {
        return new Fault(message, t.getClass().getName(), traceOf(t), fatal);
    }

    private static String messageOf(Throwable t) {
        String message = t.getLocalizedMessage();
        return message == null ? t.getClass().getName() : message;
    }

    private static String traceOf(Throwable t) {
        cut(t, seen());
        StringWriter text = new StringWriter();
        t.printStackTrace(new PrintWriter(text));
        return text.toString();
    }

    private static Set<Throwable> seen() {
        return Collections.newSetFromMap(new IdentityHashMap<>());
    }

    /** Takes the bootstrap out of the stack traces. */
    private static void cut(Throwable t, Set<Throwable> seen) {
        if (t == null || !seen.add(t)) {
            return;
        }
        StackTraceElement[] trace = t.getStackTrace();
        for (int i = 0; i < trace.length; i++) {
            if (trace[i].getClassName().startsWith(OURS)) {
                t.setStackTrace(Arrays.copyOf(trace, i));
                break;
            }
        }
        cut(t.getCause(), seen);
        for (Throwable s : t.getSuppressed()) {
            cut(s, seen);
        }
    }

    /** The text for the log. */
    String log() {
        return type == null ? message + "\n" : message + ": " + type + "\n" + trace + "\n";
    }

    /** The error of a fault of ours: there is no trace to tell. */
    private byte[] json() {
        String json = "{\"errorMessage\":" + JsonWriter.quoted(message);
        return (type == null ? json + '}' : json + ",\"errorType\":" + JsonWriter.quoted(type) + '}').getBytes(StandardCharsets.UTF_8);
    }

    /** The error as the caller gets it, with what caused it. */
    static byte[] json(Throwable t) {
        if (t instanceof Fault) {
            return ((Fault) t).json();
        }
        cut(t, seen());
        StringBuilder out = new StringBuilder();
        describe(t, out, seen());
        return out.toString().getBytes(StandardCharsets.UTF_8);
    }

    private static void describe(Throwable t, StringBuilder out, Set<Throwable> seen) {
        seen.add(t);
        out.append("{\"errorMessage\":").append(JsonWriter.quoted(messageOf(t)));
        out.append(",\"errorType\":").append(JsonWriter.quoted(t.getClass().getName()));
        out.append(",\"stackTrace\":[");
        String comma = "";
        for (StackTraceElement e : t.getStackTrace()) {
            out.append(comma).append(JsonWriter.quoted(e.toString()));
            comma = ",";
        }
        out.append(']');
        Throwable cause = t.getCause();
        if (cause != null && !seen.contains(cause)) {
            out.append(",\"cause\":");
            describe(cause, out, seen);
        }
        out.append('}');
    }
}
