package cloud.tule.runtime;

import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A text of JSON, read from its beginning to its end. It is as lenient as AWS's: single quotes, names
 * without quotes, leading zeroes and NaN are accepted.
 */
final class JsonReader {
    /** The deepest that values lie within each other. */
    static final int DEPTH = 1000;

    private final String text;
    private int at;
    private int depth;

    JsonReader(byte[] json) {
        this(new String(json, StandardCharsets.UTF_8));
    }

    JsonReader(String json) {
        text = json;
    }

    /** The next character that is not white space; 0 at the end. */
    char peek() {
        for (; at < text.length(); at++) {
            char c = text.charAt(at);
            if (c != ' ' && c != '\n' && c != '\r' && c != '\t') {
                return c;
            }
        }
        return 0;
    }

    private boolean take(char want) {
        if (peek() != want) {
            return false;
        }
        at++;
        return true;
    }

    private void expect(char want, String where) throws JsonException {
        if (!take(want)) {
            throw unexpected("was expecting '" + want + "' " + where);
        }
    }

    JsonException unexpected(String why) {
        char c = peek();
        if (c == 0) {
            return new JsonException("Unexpected end-of-input: " + why + place());
        }
        return new JsonException("Unexpected character ('" + c + "' (code " + (int) c + ")): " + why + place());
    }

    /** Where in the text the reader is, for people. */
    String place() {
        int line = 1;
        int start = 0;
        for (int i = 0; i < at && i < text.length(); i++) {
            if (text.charAt(i) == '\n') {
                line++;
                start = i + 1;
            }
        }
        return "\n at [line: " + line + ", column: " + (at - start + 1) + "]";
    }

    /** Takes the end of the text. What follows a value is not looked at, as AWS does not. */
    boolean empty() {
        return peek() == 0;
    }

    // Values in general.

    boolean takeNull() throws JsonException {
        if (peek() != 'n') {
            return false;
        }
        word("null");
        return true;
    }

    boolean bool() throws JsonException {
        if (peek() == 't') {
            word("true");
            return true;
        }
        word("false");
        return false;
    }

    private void word(String want) throws JsonException {
        int end = at + want.length();
        boolean over = end >= text.length() || !Character.isJavaIdentifierPart(text.charAt(end));
        if (!text.startsWith(want, at) || !over) {
            int stop = at;
            while (stop < text.length() && Character.isJavaIdentifierPart(text.charAt(stop))) {
                stop++;
            }
            throw new JsonException("Unrecognized token '" + text.substring(at, stop)
                    + "': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')" + place());
        }
        at = end;
    }

    /** Any value, as Java has it without being told more. */
    Object any() throws JsonException {
        switch (peek()) {
            case '{':
                Map<String, Object> map = new LinkedHashMap<>();
                for (boolean more = beginObject(); more; more = moreInObject()) {
                    String name = name();
                    map.put(name, any());
                }
                return map;
            case '[':
                List<Object> list = new ArrayList<>();
                for (boolean more = beginArray(); more; more = moreInArray()) {
                    list.add(any());
                }
                return list;
            case '"':
            case '\'':
                return string();
            case 't':
            case 'f':
                return bool();
            case 'n':
                word("null");
                return null;
            default:
                return number(numeral());
        }
    }

    void skip() throws JsonException {
        any();
    }

    // Objects and arrays: begin, then more after each member, until it is false.

    boolean beginObject() throws JsonException {
        expect('{', "to start an object");
        deeper();
        return !close('}');
    }

    boolean moreInObject() throws JsonException {
        if (close('}')) {
            return false;
        }
        expect(',', "to separate Object entries");
        return true;
    }

    boolean beginArray() throws JsonException {
        expect('[', "to start an array");
        deeper();
        return !close(']');
    }

    boolean moreInArray() throws JsonException {
        if (close(']')) {
            return false;
        }
        expect(',', "to separate Array entries");
        return true;
    }

    private void deeper() throws JsonException {
        if (++depth > DEPTH) {
            throw new JsonException("Document nesting depth (" + depth + ") exceeds the maximum allowed (" + DEPTH + ")");
        }
    }

    private boolean close(char end) {
        if (!take(end)) {
            return false;
        }
        depth--;
        return true;
    }

    /** The name of an object's member, and the colon. */
    String name() throws JsonException {
        char c = peek();
        String name;
        if (c == '"' || c == '\'') {
            name = string();
        } else {
            int start = at;
            while (at < text.length() && Character.isJavaIdentifierPart(text.charAt(at))) {
                at++;
            }
            if (start == at) {
                throw unexpected("was expecting double-quote to start field name");
            }
            name = text.substring(start, at);
        }
        expect(':', "to separate field name and value");
        return name;
    }

    // Strings.

    String string() throws JsonException {
        char quote = peek();
        int start = ++at;
        for (int i = start; i < text.length(); i++) {
            char c = text.charAt(i);
            if (c == quote) {
                at = i + 1;
                return text.substring(start, i);
            }
            if (c == '\\') {
                at = i;
                return escaped(quote, new StringBuilder().append(text, start, i));
            }
        }
        at = text.length();
        throw new JsonException("Unexpected end-of-input: was expecting closing quote for a string value" + place());
    }

    private String escaped(char quote, StringBuilder out) throws JsonException {
        while (at < text.length()) {
            char c = text.charAt(at++);
            if (c == quote) {
                return out.toString();
            }
            if (c != '\\') {
                out.append(c);
                continue;
            }
            if (at == text.length()) {
                break;
            }
            c = text.charAt(at++);
            int known = "bfnrt".indexOf(c);
            if (c == 'u') {
                out.append(hexadecimal());
            } else {
                out.append(known < 0 ? c : "\b\f\n\r\t".charAt(known));
            }
        }
        throw new JsonException("Unexpected end-of-input: was expecting closing quote for a string value" + place());
    }

    private char hexadecimal() throws JsonException {
        int value = 0;
        for (int i = 0; i < 4; i++, at++) {
            int digit = at < text.length() ? Character.digit(text.charAt(at), 16) : -1;
            if (digit < 0) {
                throw unexpected("expected a hex-digit for character escape sequence");
            }
            value = value * 16 + digit;
        }
        return (char) value;
    }

    // Numbers.

    /** The text of a number: digits, or NaN and its like. */
    String numeral() throws JsonException {
        char first = peek();
        int start = at;
        while (at < text.length() && "+-.0123456789eENaIinfty".indexOf(text.charAt(at)) >= 0) {
            at++;
        }
        String s = text.substring(start, at);
        if (!isNumber(s)) {
            at = start;
            if (Character.isJavaIdentifierStart(first)) {
                word("null"); // says what is not recognised
            }
            throw unexpected("expected a valid value (JSON String, Number, Array, Object or token 'null', 'true' or 'false')");
        }
        return s;
    }

    private static boolean isNumber(String s) {
        if (s.equals("NaN") || s.equals("Infinity") || s.equals("-Infinity") || s.equals("INF") || s.equals("-INF")) {
            return true;
        }
        int i = s.startsWith("-") ? 1 : 0;
        int digits = digits(s, i);
        boolean ok = digits > 0;
        i += digits;
        if (i < s.length() && s.charAt(i) == '.') {
            digits = digits(s, i + 1);
            ok &= digits > 0;
            i += 1 + digits;
        }
        if (i < s.length() && (s.charAt(i) == 'e' || s.charAt(i) == 'E')) {
            i++;
            if (i < s.length() && (s.charAt(i) == '+' || s.charAt(i) == '-')) {
                i++;
            }
            digits = digits(s, i);
            ok &= digits > 0;
            i += digits;
        }
        return ok && i == s.length();
    }

    static int digits(String s, int from) {
        int i = from;
        while (i < s.length() && s.charAt(i) >= '0' && s.charAt(i) <= '9') {
            i++;
        }
        return i - from;
    }

    /** Whether a numeral has neither fraction nor exponent. */
    static boolean isWhole(String numeral) {
        char last = numeral.charAt(numeral.length() - 1);
        return last >= '0' && last <= '9' && numeral.indexOf('.') < 0 && numeral.indexOf('e') < 0 && numeral.indexOf('E') < 0;
    }

    /** A numeral as the smallest of Integer, Long and BigInteger, or as Double. */
    static Number number(String numeral) {
        if (!isWhole(numeral)) {
            return real(numeral);
        }
        if (numeral.length() < 19) {
            long n = Long.parseLong(numeral);
            if (n == (int) n) {
                return (int) n;
            }
            return n;
        }
        BigInteger n = new BigInteger(numeral);
        return n.bitLength() < 64 ? (Number) n.longValue() : n;
    }

    static double real(String numeral) {
        switch (numeral) {
            case "INF":
                return Double.POSITIVE_INFINITY;
            case "-INF":
                return Double.NEGATIVE_INFINITY;
            case "-0":
                return 0; // a whole number first
            default:
                return Double.parseDouble(numeral);
        }
    }
}
