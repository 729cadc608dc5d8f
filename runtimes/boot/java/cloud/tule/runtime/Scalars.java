package cloud.tule.runtime;

import java.io.File;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.net.URI;
import java.net.URL;
import java.nio.ByteBuffer;
import java.nio.charset.Charset;
import java.util.Base64;
import java.util.Calendar;
import java.util.Currency;
import java.util.Date;
import java.util.GregorianCalendar;
import java.util.HashSet;
import java.util.Locale;
import java.util.Set;
import java.util.TimeZone;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.regex.Pattern;

/** Values that JSON has as one word: strings, numbers, and what is written as such. */
final class Scalars {
    private static final Set<Class<?>> TEXTS = new HashSet<>();
    private static final Set<Class<?>> NUMBERS = new HashSet<>();

    static {
        for (Class<?> c : new Class<?>[] {String.class, CharSequence.class, char.class,
            Character.class, boolean.class, Boolean.class, AtomicBoolean.class, Date.class, byte[].class, char[].class, ByteBuffer.class,
            UUID.class, URI.class, URL.class, File.class, Locale.class, Currency.class, Pattern.class, Charset.class, Class.class}) {
            TEXTS.add(c);
        }
        for (Class<?> c : new Class<?>[] {byte.class, Byte.class, short.class, Short.class, int.class, Integer.class, long.class, Long.class,
            float.class, Float.class, double.class, Double.class, BigInteger.class, BigDecimal.class, Number.class, AtomicInteger.class,
            AtomicLong.class}) {
            NUMBERS.add(c);
        }
    }

    private Scalars() {}

    static boolean is(Class<?> c) {
        return NUMBERS.contains(c) || TEXTS.contains(c) || c.isEnum() || isTime(c) || isJoda(c)
                || Calendar.class.isAssignableFrom(c) || TimeZone.class.isAssignableFrom(c);
    }

    static boolean isTime(Class<?> c) {
        return c.getName().startsWith("java.time.");
    }

    /** Joda's time, as the user's classes bring it, in AWS's events. */
    static boolean isJoda(Class<?> c) {
        return c.getName().equals("org.joda.time.DateTime");
    }

    /** What null is. */
    static Object zero(Class<?> c) {
        if (!c.isPrimitive()) {
            return null;
        }
        if (c == boolean.class) {
            return false;
        }
        return c == char.class ? (Object) '\0' : number("0", c);
    }

    /** Seconds since 1970; none at all are no date. */
    static Date seconds(String numeral) {
        double n;
        try {
            n = Double.parseDouble(numeral);
        } catch (NumberFormatException e) {
            return null;
        }
        return n == 0 ? null : new Date((long) (n * 1000));
    }

    /** A string as one of the class; an IllegalArgumentException says why not. */
    static Object of(String text, Class<?> c) throws Exception {
        if (c == String.class || c == CharSequence.class) {
            return text;
        }
        if (c == byte[].class) {
            return bytes(text);
        }
        if (c == char[].class) {
            return text.toCharArray();
        }
        if (c == ByteBuffer.class) {
            return ByteBuffer.wrap(bytes(text));
        }
        if (c == char.class || c == Character.class) {
            if (text.length() > 1) {
                throw new IllegalArgumentException("Expected either Integer value code or 1-character String");
            }
            return text.isEmpty() ? zero(c) : (Object) text.charAt(0);
        }
        String trimmed = text.trim();
        if (trimmed.isEmpty()) {
            return c == Locale.class ? Locale.ROOT : c == URI.class ? URI.create("") : zero(c);
        }
        if (NUMBERS.contains(c)) {
            try {
                boolean cut = isIntegral(c) && !JsonReader.isWhole(trimmed);
                return number(cut ? "x" : trimmed, c);
            } catch (NumberFormatException e) {
                throw new IllegalArgumentException("\"" + text + "\": not a valid `" + c.getName() + "` value");
            }
        }
        if (c == boolean.class || c == Boolean.class || c == AtomicBoolean.class) {
            return bool(trimmed, c);
        }
        return named(trimmed, c);
    }

    private static boolean isIntegral(Class<?> c) {
        return c != double.class && c != Double.class && c != float.class && c != Float.class && c != BigDecimal.class && c != Number.class;
    }

    private static byte[] bytes(String text) {
        return Base64.getMimeDecoder().decode(text);
    }

    private static Object bool(String text, Class<?> c) {
        boolean yes = text.equals("true") || text.equals("True") || text.equals("TRUE");
        if (!yes && !text.equalsIgnoreCase("false")) {
            throw new IllegalArgumentException("\"" + text + "\": only \"true\" or \"false\" recognized");
        }
        return of(yes, c);
    }

    private static Object named(String text, Class<?> c) throws Exception {
        if (c.isEnum()) {
            for (Object constant : c.getEnumConstants()) {
                if (((Enum<?>) constant).name().equals(text)) {
                    return constant;
                }
            }
            int i = JsonReader.digits(text, 0) == text.length() && text.length() < 9 ? Integer.parseInt(text) : -1;
            return i >= 0 && i < c.getEnumConstants().length ? c.getEnumConstants()[i] : null; // one that is not known
        }
        if (isTime(c)) {
            return Times.of(text, c);
        }
        if (isJoda(c)) {
            Class<?> zone = Class.forName("org.joda.time.DateTimeZone", true, c.getClassLoader());
            return c.getConstructor(Object.class, zone).newInstance(text, zone.getField("UTC").get(null));
        }
        if (c == Date.class) {
            return Times.date(text);
        }
        if (Calendar.class.isAssignableFrom(c)) {
            return calendar(Times.date(text));
        }
        if (TimeZone.class.isAssignableFrom(c)) {
            return TimeZone.getTimeZone(text);
        }
        switch (c.getSimpleName()) {
            case "UUID": return UUID.fromString(text);
            case "URI": return URI.create(text);
            case "URL": return new URL(text);
            case "File": return new File(text);
            case "Locale": return Locale.forLanguageTag(text.replace('_', '-'));
            case "Currency": return Currency.getInstance(text);
            case "Pattern": return Pattern.compile(text);
            case "Charset": return Charset.forName(text);
            default: return Class.forName(text, true, Thread.currentThread().getContextClassLoader());
        }
    }

    private static Calendar calendar(Date date) {
        Calendar c = new GregorianCalendar(TimeZone.getTimeZone("UTC"));
        c.setTime(date);
        return c;
    }

    static Object of(boolean value, Class<?> c) {
        if (c == boolean.class || c == Boolean.class) {
            return value;
        }
        if (c == AtomicBoolean.class) {
            return new AtomicBoolean(value);
        }
        if (c == String.class || c == CharSequence.class) {
            return String.valueOf(value);
        }
        throw new IllegalArgumentException("Boolean value (token `JsonToken.VALUE_" + (value ? "TRUE" : "FALSE") + "`)");
    }

    static Object ofNumber(String numeral, Class<?> c) throws Exception {
        if (NUMBERS.contains(c)) {
            return number(numeral, c);
        }
        if (c == String.class || c == CharSequence.class) {
            return numeral;
        }
        if (!JsonReader.isWhole(numeral) && !isTime(c)) {
            throw new IllegalArgumentException("Floating-point value (token `JsonToken.VALUE_NUMBER_FLOAT`)");
        }
        if (c == boolean.class || c == Boolean.class || c == AtomicBoolean.class) {
            return of(JsonReader.real(numeral) != 0, c);
        }
        if (c == char.class || c == Character.class) {
            return (char) whole(numeral, c, 0, Character.MAX_VALUE);
        }
        if (c == Date.class) {
            return new Date((Long) number(numeral, long.class));
        }
        if (Calendar.class.isAssignableFrom(c)) {
            return calendar(new Date((Long) number(numeral, long.class)));
        }
        if (c.isEnum()) {
            int i = (Integer) number(numeral, int.class);
            Object[] all = c.getEnumConstants();
            return i >= 0 && i < all.length ? all[i] : null;
        }
        if (isTime(c)) {
            return Times.ofNumber(new BigDecimal(numeral), c);
        }
        if (isJoda(c)) {
            return c.getConstructor(long.class).newInstance(number(numeral, long.class));
        }
        throw new IllegalArgumentException("Number value (" + numeral + ")");
    }

    /** A numeral as a number of the class; a fraction is cut off where there is no place for one. */
    static Number number(String numeral, Class<?> c) {
        switch (c.getSimpleName()) {
            case "double": case "Double": return JsonReader.real(numeral);
            case "float": case "Float": return (float) JsonReader.real(numeral);
            case "BigDecimal": return new BigDecimal(numeral);
            case "BigInteger": return new BigDecimal(numeral).toBigInteger();
            case "Number": return JsonReader.number(numeral);
            case "byte": case "Byte": return (byte) whole(numeral, c, Byte.MIN_VALUE, 255);
            case "short": case "Short": return (short) whole(numeral, c, Short.MIN_VALUE, Short.MAX_VALUE);
            case "int": case "Integer": return (int) whole(numeral, c, Integer.MIN_VALUE, Integer.MAX_VALUE);
            case "AtomicInteger": return new AtomicInteger((int) whole(numeral, c, Integer.MIN_VALUE, Integer.MAX_VALUE));
            case "AtomicLong": return new AtomicLong(whole(numeral, c, Long.MIN_VALUE, Long.MAX_VALUE));
            default: return whole(numeral, c, Long.MIN_VALUE, Long.MAX_VALUE);
        }
    }

    private static long whole(String numeral, Class<?> c, long min, long max) {
        if (JsonReader.isWhole(numeral) && numeral.length() < 19) {
            long n = Long.parseLong(numeral);
            if (n >= min && n <= max) {
                return n;
            }
        } else {
            BigDecimal n = new BigDecimal(numeral);
            boolean fits = n.precision() - n.scale() < 20;
            if (fits && n.toBigInteger().bitLength() < 64 && n.longValue() >= min && n.longValue() <= max) {
                return n.longValue();
            }
        }
        throw new IllegalArgumentException("Numeric value (" + numeral + ") out of range of " + c.getName() + " (" + min + " - " + max + ")");
    }

    /** The name of a map's entry as its key. */
    static Object key(String name, Class<?> c) throws Exception {
        try {
            return c == Object.class ? name : of(name, c);
        } catch (IllegalArgumentException e) {
            throw new JsonException("Cannot deserialize Map key of type `" + c.getName() + "` from String \"" + name + "\": " + e.getMessage());
        }
    }
}
