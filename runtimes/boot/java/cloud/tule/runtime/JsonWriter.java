package cloud.tule.runtime;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.Calendar;
import java.util.Date;
import java.util.Iterator;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.TimeZone;
import java.util.concurrent.atomic.AtomicReference;

/** Values of any type as JSON; what is null is left out of objects. */
final class JsonWriter {
    private final StringBuilder out = new StringBuilder(256);
    private final boolean seconds; // what dates are
    private int depth;

    JsonWriter(boolean seconds) {
        this.seconds = seconds;
    }

    /** The JSON of a result. Of an object that is more than its declared type says, only what that says. */
    byte[] root(Object value, Shape declared) throws Exception {
        try {
            boolean narrow = value != null && declared.raw != Object.class && declared.raw != value.getClass()
                    && declared.raw.isInstance(value) && isBean(value) && !declared.raw.getName().startsWith("java.");
            if (narrow) {
                bean(value, Bean.of(declared));
            } else {
                value(value);
            }
        } catch (StackOverflowError e) {
            throw new JsonException("Infinite recursion (StackOverflowError)", e);
        }
        return out.toString().getBytes(StandardCharsets.UTF_8);
    }

    static String quoted(String text) {
        JsonWriter w = new JsonWriter(false);
        w.string(text);
        return w.out.toString();
    }

    private static boolean isBean(Object v) {
        return !(v instanceof Map || v instanceof Iterable || v instanceof Iterator || v instanceof Optional || v instanceof Map.Entry
                || v instanceof CharSequence || v.getClass().isArray() || Scalars.is(v.getClass()) || v instanceof Enum || v instanceof Number);
    }

    private void value(Object v) throws Exception {
        if (v == null) {
            out.append("null");
        } else if (v instanceof CharSequence || v instanceof Character) {
            string(v.toString());
        } else if (v instanceof Number) {
            number((Number) v);
        } else if (v instanceof Boolean) {
            out.append(v);
        } else if (v instanceof Map) {
            map((Map<?, ?>) v);
        } else if (v instanceof Enum) {
            string(((Enum<?>) v).name());
        } else if (v.getClass().isArray()) {
            array(v);
        } else if (v instanceof Iterable && !(v instanceof java.nio.file.Path)) {
            list(((Iterable<?>) v).iterator());
        } else if (!special(v)) {
            bean(v, Bean.of(Shape.of(v.getClass())));
        }
    }

    /** Writes what is neither the user's nor in the nature of JSON; false if v is the user's. */
    private boolean special(Object v) throws Exception {
        if (v instanceof Date) {
            date(((Date) v).getTime());
        } else if (v instanceof Calendar) {
            date(((Calendar) v).getTimeInMillis());
        } else if (v instanceof Optional) {
            value(((Optional<?>) v).orElse(null));
        } else if (v instanceof OptionalInt) {
            value(((OptionalInt) v).isPresent() ? ((OptionalInt) v).getAsInt() : null);
        } else if (v instanceof OptionalLong) {
            value(((OptionalLong) v).isPresent() ? ((OptionalLong) v).getAsLong() : null);
        } else if (v instanceof OptionalDouble) {
            value(((OptionalDouble) v).isPresent() ? ((OptionalDouble) v).getAsDouble() : null);
        } else if (v instanceof AtomicReference) {
            value(((AtomicReference<?>) v).get());
        } else if (v instanceof java.util.concurrent.atomic.AtomicBoolean) {
            out.append(v);
        } else if (v instanceof Iterator) {
            list((Iterator<?>) v);
        } else if (v instanceof Map.Entry) {
            Map.Entry<?, ?> e = (Map.Entry<?, ?>) v;
            map(java.util.Collections.singletonMap(e.getKey(), e.getValue()));
        } else if (v instanceof ByteBuffer) {
            ByteBuffer b = ((ByteBuffer) v).duplicate();
            byte[] bytes = new byte[b.remaining()];
            b.get(bytes);
            array(bytes);
        } else if (v instanceof Class) {
            string(((Class<?>) v).getName());
        } else if (v instanceof TimeZone) {
            string(((TimeZone) v).getID());
        } else if (v instanceof Locale) {
            string(v.toString());
        } else if (v instanceof java.nio.file.Path) {
            string(((java.nio.file.Path) v).toUri().toString());
        } else if (v instanceof java.io.File) {
            string(((java.io.File) v).getAbsolutePath());
        } else if (Scalars.isTime(v.getClass())) {
            String json = Times.json(v);
            if (json != null) {
                out.append(json);
            } else {
                string(v.toString());
            }
        } else if (Scalars.is(v.getClass()) || v instanceof java.nio.charset.Charset) {
            string(v.toString());
        } else {
            return false;
        }
        return true;
    }

    private void date(long millis) {
        if (seconds) {
            out.append(millis / 1000.0);
        } else {
            out.append(millis);
        }
    }

    private void number(Number n) throws Exception {
        boolean real = n instanceof Double || n instanceof Float;
        boolean finite = !real || !Double.isNaN(n.doubleValue()) && !Double.isInfinite(n.doubleValue());
        if (finite) {
            out.append(n);
        } else {
            string(n.toString());
        }
    }

    private void array(Object v) throws Exception {
        if (v instanceof byte[]) {
            string(Base64.getEncoder().encodeToString((byte[]) v));
            return;
        }
        if (v instanceof char[]) {
            string(new String((char[]) v));
            return;
        }
        enter('[');
        int n = java.lang.reflect.Array.getLength(v);
        for (int i = 0; i < n; i++) {
            out.append(i > 0 ? "," : "");
            value(java.lang.reflect.Array.get(v, i));
        }
        leave(']');
    }

    private void list(Iterator<?> all) throws Exception {
        enter('[');
        for (boolean first = true; all.hasNext(); first = false) {
            out.append(first ? "" : ",");
            value(all.next());
        }
        leave(']');
    }

    private static boolean absent(Object v) {
        return v == null || v instanceof AtomicReference && ((AtomicReference<?>) v).get() == null;
    }

    private void map(Map<?, ?> map) throws Exception {
        enter('{');
        boolean first = true;
        for (Map.Entry<?, ?> e : map.entrySet()) {
            if (absent(e.getValue())) {
                continue;
            }
            out.append(first ? "" : ",");
            first = false;
            string(key(e.getKey()));
            out.append(':');
            try {
                value(e.getValue());
            } catch (JsonException x) {
                throw new JsonException(x.getMessage() + " (through reference chain: " + map.getClass().getName() + "[\"" + e.getKey() + "\"])", x.getCause());
            }
        }
        leave('}');
    }

    private static String key(Object key) throws JsonException {
        if (key == null) {
            throw new JsonException("Null key for a Map not allowed in JSON (use a converting NullKeySerializer?)");
        }
        if (key instanceof Enum) {
            return ((Enum<?>) key).name();
        }
        return key instanceof Class ? ((Class<?>) key).getName() : key.toString();
    }

    private void bean(Object v, Bean bean) throws Exception {
        enter('{');
        boolean first = true;
        for (Bean.Property p : bean.properties()) {
            if (!p.gets()) {
                continue;
            }
            Object value;
            try {
                value = p.get(v);
            } catch (Exception e) {
                throw new JsonException(e.getMessage() + through(bean, p), e);
            }
            if (absent(value)) {
                continue;
            }
            if (value == v) {
                throw new JsonException("Direct self-reference leading to cycle" + through(bean, p));
            }
            out.append(first ? "" : ",");
            first = false;
            string(p.name);
            out.append(':');
            value(value);
        }
        leave('}');
    }

    private static String through(Bean bean, Bean.Property p) {
        return " (through reference chain: " + bean.shape.raw.getName() + "[\"" + p.name + "\"])";
    }

    private void enter(char open) throws JsonException {
        if (++depth > JsonReader.DEPTH) {
            throw new JsonException("Document nesting depth (" + depth + ") exceeds the maximum allowed (" + JsonReader.DEPTH + ")");
        }
        out.append(open);
    }

    private void leave(char close) {
        depth--;
        out.append(close);
    }

    private void string(String s) {
        out.append('"');
        for (int i = 0; i < s.length(); i++) {
            char c = s.charAt(i);
            int known = "\b\f\n\r\t\"\\".indexOf(c);
            if (known >= 0) {
                out.append('\\').append("bfnrt\"\\".charAt(known));
            } else if (c < ' ' || Character.isSurrogate(c)) { // so does Jackson
                out.append(String.format("\\u%04X", (int) c));
            } else {
                out.append(c);
            }
        }
        out.append('"');
    }
}
