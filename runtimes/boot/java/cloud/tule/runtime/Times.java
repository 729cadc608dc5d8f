package cloud.tule.runtime;

import java.lang.reflect.InvocationTargetException;
import java.math.BigDecimal;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.Year;
import java.time.YearMonth;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeFormatterBuilder;
import java.time.temporal.ChronoField;
import java.time.temporal.TemporalAccessor;
import java.time.temporal.TemporalQueries;
import java.util.Date;
import java.util.List;

/** Times, in the forms that Jackson's modules give them. */
final class Times {
    private static final DateTimeFormatter ISO = new DateTimeFormatterBuilder()
            .append(DateTimeFormatter.ISO_LOCAL_DATE)
            .optionalStart().appendLiteral('T').append(DateTimeFormatter.ISO_LOCAL_TIME).optionalEnd()
            .optionalStart().appendOffset("+HH:MM", "Z").optionalEnd()
            .optionalStart().appendOffset("+HHMM", "Z").optionalEnd()
            .optionalStart().appendLiteral('[').appendZoneRegionId().appendLiteral(']').optionalEnd()
            .toFormatter();

    private Times() {}

    /** A date as ISO 8601 has it, or RFC 1123, or milliseconds; without a zone it is UTC. */
    static Date date(String text) {
        if (JsonReader.isWhole(text) && text.indexOf('-', 1) < 0 && text.indexOf(':') < 0) {
            return new Date(Long.parseLong(text));
        }
        boolean iso = Character.isDigit(text.charAt(0));
        return Date.from(instant((iso ? ISO : DateTimeFormatter.RFC_1123_DATE_TIME).parse(text)));
    }

    private static Instant instant(TemporalAccessor t) {
        LocalTime time = t.query(TemporalQueries.localTime());
        ZoneId zone = t.query(TemporalQueries.zone());
        return t.query(TemporalQueries.localDate()).atTime(time == null ? LocalTime.MIDNIGHT : time)
                .atZone(zone == null ? ZoneOffset.UTC : zone).toInstant();
    }

    static Object of(String text, Class<?> c) throws Exception {
        if (c == Instant.class) {
            boolean number = text.indexOf('-', 1) < 0 && text.indexOf(':') < 0;
            return number ? ofNumber(new BigDecimal(text), c) : instant(ISO.parse(text));
        }
        if (c == LocalDateTime.class || c == OffsetDateTime.class || c == ZonedDateTime.class || c == LocalDate.class) {
            TemporalAccessor t = ISO.parse(text);
            if (c == LocalDate.class) {
                return t.query(TemporalQueries.localDate());
            }
            OffsetDateTime utc = instant(t).atOffset(ZoneOffset.UTC);
            // Jackson adjusts dates to the context's zone, which is UTC.
            return c == LocalDateTime.class ? utc.toLocalDateTime() : c == OffsetDateTime.class ? utc : utc.atZoneSameInstant(ZoneId.of("UTC"));
        }
        try {
            if (ZoneId.class.isAssignableFrom(c)) {
                return c.getMethod("of", String.class).invoke(null, text);
            }
            if (c.isEnum()) {
                return c.getMethod("valueOf", String.class).invoke(null, text);
            }
            return c.getMethod("parse", CharSequence.class).invoke(null, text);
        } catch (InvocationTargetException e) {
            throw Bean.unwrapped(e);
        }
    }

    static Object ofNumber(BigDecimal n, Class<?> c) {
        if (c == Year.class) {
            return Year.of(n.intValueExact());
        }
        if (c == LocalDate.class) {
            return LocalDate.ofEpochDay(n.longValueExact());
        }
        long whole = n.longValue();
        int nanos = n.remainder(BigDecimal.ONE).movePointRight(9).intValue();
        if (c == Duration.class) {
            return Duration.ofSeconds(whole, nanos);
        }
        Instant at = Instant.ofEpochSecond(whole, nanos);
        if (c == Instant.class) {
            return at;
        }
        if (c == OffsetDateTime.class) {
            return at.atOffset(ZoneOffset.UTC);
        }
        if (c == ZonedDateTime.class) {
            return at.atZone(ZoneId.of("UTC"));
        }
        throw new IllegalArgumentException("Number value (" + n + ")");
    }

    /** A local time of the fields that fields writes. */
    static Object ofFields(Object fields, Class<?> c) throws JsonException {
        List<?> list = (List<?>) fields;
        int[] n = new int[7];
        for (int i = 0; i < list.size() && i < n.length; i++) {
            if (!(list.get(i) instanceof Integer)) {
                throw new JsonException("Cannot deserialize value of type `" + c.getName() + "` from Array value (token `JsonToken.START_ARRAY`)");
            }
            n[i] = (Integer) list.get(i);
        }
        if (list.isEmpty()) {
            return null;
        }
        if (c == LocalDate.class) {
            return LocalDate.of(n[0], n[1], n[2]);
        }
        if (c == LocalDateTime.class) {
            return LocalDateTime.of(n[0], n[1], n[2], n[3], n[4], n[5], n[6]);
        }
        if (c == LocalTime.class) {
            return LocalTime.of(n[0], n[1], n[2], n[3]);
        }
        throw new JsonException("Cannot deserialize value of type `" + c.getName() + "` from Array value (token `JsonToken.START_ARRAY`)");
    }

    /** A time as JSON: a number of seconds, an array of fields, or a string. */
    static String json(Object time) {
        if (time instanceof Duration) {
            return seconds(((Duration) time).getSeconds(), ((Duration) time).getNano());
        }
        if (time instanceof Year) {
            return time.toString();
        }
        if (!(time instanceof TemporalAccessor) || time instanceof Enum) {
            return null;
        }
        TemporalAccessor t = (TemporalAccessor) time;
        if (t.isSupported(ChronoField.INSTANT_SECONDS)) {
            return seconds(t.getLong(ChronoField.INSTANT_SECONDS), t.get(ChronoField.NANO_OF_SECOND));
        }
        if (time instanceof YearMonth || time instanceof LocalDate || time instanceof LocalDateTime || time instanceof LocalTime) {
            return fields(t);
        }
        return null;
    }

    private static String seconds(long whole, int nanos) {
        return BigDecimal.valueOf(nanos, 9).add(BigDecimal.valueOf(whole)).toPlainString();
    }

    private static String fields(TemporalAccessor t) {
        StringBuilder out = new StringBuilder("[");
        if (t.isSupported(ChronoField.YEAR)) {
            out.append(t.get(ChronoField.YEAR)).append(',').append(t.get(ChronoField.MONTH_OF_YEAR));
        }
        if (t.isSupported(ChronoField.DAY_OF_MONTH)) {
            out.append(',').append(t.get(ChronoField.DAY_OF_MONTH));
        }
        if (t.isSupported(ChronoField.NANO_OF_SECOND)) {
            int second = t.get(ChronoField.SECOND_OF_MINUTE);
            int nano = t.get(ChronoField.NANO_OF_SECOND);
            out.append(out.length() > 1 ? "," : "").append(t.get(ChronoField.HOUR_OF_DAY)).append(',').append(t.get(ChronoField.MINUTE_OF_HOUR));
            if (second > 0 || nano > 0) {
                out.append(',').append(second);
            }
            if (nano > 0) {
                out.append(',').append(nano);
            }
        }
        return out.append(']').toString();
    }
}
