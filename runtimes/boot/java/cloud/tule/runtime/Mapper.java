package cloud.tule.runtime;

import java.lang.reflect.Array;
import java.lang.reflect.Modifier;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentSkipListMap;

/**
 * JSON as values of any type, as AWS's runtime has it: with Jackson's rules, its own settings, and nothing of
 * the user's annotations.
 */
final class Mapper {
    private final JsonReader in;
    private final boolean seconds; // what dates are
    private Object owner; // of the property that is read, for objects of inner classes

    private Mapper(byte[] json, Shape root) {
        in = new JsonReader(json);
        seconds = Events.inSeconds(root.raw);
    }

    /** The value of the JSON, of the shape. Nothing at all is null. */
    static Object read(byte[] json, Shape shape) throws Exception {
        Mapper m = new Mapper(json, shape);
        return m.in.empty() ? null : m.value(shape);
    }

    /** The JSON of a value, which was declared as of the shape. */
    static byte[] write(Object value, Shape shape) throws Exception {
        return new JsonWriter(Events.inSeconds(shape.raw)).root(value, shape);
    }

    private Object value(Shape s) throws Exception {
        Class<?> c = s.raw;
        if (c == Optional.class) {
            return in.takeNull() ? Optional.empty() : Optional.ofNullable(value(s.part(Optional.class, 0)));
        }
        if (in.takeNull()) {
            return Scalars.zero(c);
        }
        if (c == Object.class) {
            return in.any();
        }
        if (c == Void.class) {
            in.skip();
            return null;
        }
        if (Scalars.is(c)) {
            return scalar(s);
        }
        if (c.isArray()) {
            return array(s);
        }
        if (Collection.class.isAssignableFrom(c) || c == Iterable.class) {
            return collection(s);
        }
        return Map.class.isAssignableFrom(c) ? map(s) : object(s);
    }

    private JsonException misfit(Shape s, String from) {
        return new JsonException("Cannot deserialize value of type `" + s + "` from " + from + in.place());
    }

    /** The one value of an array where no array is wanted; of none, null. */
    private Object unwrapped(Shape s) throws Exception {
        if (!in.beginArray()) {
            return Scalars.zero(s.raw);
        }
        Object value = value(s);
        last(s);
        return value;
    }

    /** The one value of an array, which is no array itself. */
    private Object only(Shape s) throws Exception {
        if (!in.beginArray()) {
            if (s.raw.isPrimitive()) {
                throw misfit(s, "Array value (token `JsonToken.END_ARRAY`)");
            }
            return null;
        }
        if (in.peek() == '[') {
            throw new JsonException("Cannot deserialize instance of `" + s + "` out of START_ARRAY token: nested Arrays not allowed "
                    + "with DeserializationFeature.UNWRAP_SINGLE_VALUE_ARRAYS" + in.place());
        }
        Object value = value(s);
        last(s);
        return value;
    }

    private void last(Shape s) throws JsonException {
        if (in.moreInArray()) {
            throw new JsonException("Attempted to unwrap '" + s + "' value from an array (with "
                    + "`DeserializationFeature.UNWRAP_SINGLE_VALUE_ARRAYS`) but it contains more than one value" + in.place());
        }
    }

    private Object scalar(Shape s) throws Exception {
        char next = in.peek();
        if (next == '[') {
            if (Scalars.isTime(s.raw)) {
                return Times.ofFields(in.any(), s.raw);
            }
            return s.raw == byte[].class || s.raw == char[].class ? array(s) : only(s);
        }
        if (next == '{') {
            throw misfit(s, "Object value (token `JsonToken.START_OBJECT`)");
        }
        try {
            switch (next) {
                case '"':
                case '\'':
                    String text = in.string();
                    return seconds && s.raw == java.util.Date.class ? Scalars.seconds(text) : Scalars.of(text, s.raw);
                case 't':
                case 'f':
                    return Scalars.of(in.bool(), s.raw);
                default:
                    String numeral = in.numeral();
                    return seconds && s.raw == java.util.Date.class ? Scalars.seconds(numeral) : Scalars.ofNumber(numeral, s.raw);
            }
        } catch (IllegalArgumentException | java.time.DateTimeException e) {
            throw misfit(s, (next == '"' ? "String: " : "value: ") + e.getMessage());
        }
    }

    // Arrays, collections, maps.

    private Object array(Shape s) throws Exception {
        Shape element = s.element();
        List<Object> list = elements(element, s);
        if (list == null) {
            return null;
        }
        Object array = Array.newInstance(s.raw.getComponentType(), list.size());
        for (int i = 0; i < list.size(); i++) {
            Array.set(array, i, list.get(i));
        }
        return array;
    }

    /** An array's elements; a value that is none is its only one, and an empty string is no array at all. */
    private List<Object> elements(Shape element, Shape whole) throws Exception {
        List<Object> list = new ArrayList<>();
        if (in.peek() == '[') {
            for (boolean more = in.beginArray(); more; more = in.moreInArray()) {
                list.add(value(element));
            }
            return list;
        }
        if (in.peek() == '"' && !(whole.raw.isArray() && element.raw == String.class)) {
            String text = in.string();
            if (text.trim().isEmpty()) {
                return null;
            }
            boolean fits = (element.raw == Object.class || Scalars.is(element.raw)) && !element.raw.isPrimitive();
            if (!fits) {
                throw misfit(whole, "String value (token `JsonToken.VALUE_STRING`)");
            }
            list.add(element.raw == Object.class ? text : Scalars.of(text, element.raw));
            return list;
        }
        list.add(value(element));
        return list;
    }

    @SuppressWarnings("unchecked")
    private Object collection(Shape s) throws Exception {
        Shape element = s.part(Iterable.class, 0);
        List<Object> list = elements(element, s);
        if (list == null || EnumSet.class.isAssignableFrom(s.raw) && list.isEmpty()) {
            return null;
        }
        if (s.raw.isAssignableFrom(ArrayList.class)) {
            return list;
        }
        if (EnumSet.class.isAssignableFrom(s.raw)) {
            return enumSet(list);
        }
        Collection<Object> out = (Collection<Object>) made(s, new Class<?>[] {
            HashSet.class, TreeSet.class, LinkedList.class, ArrayDeque.class});
        out.addAll(list);
        return out;
    }

    @SuppressWarnings({"unchecked", "rawtypes"})
    private static Object enumSet(List list) {
        return EnumSet.copyOf((Collection<Enum>) list);
    }

    /** An object of the class, or of the first of the usual ones that is one of it. */
    private Object made(Shape s, Class<?>[] usual) throws Exception {
        Class<?> c = s.raw;
        if (c.isInterface() || Modifier.isAbstract(c.getModifiers())) {
            for (Class<?> u : usual) {
                if (c.isAssignableFrom(u)) {
                    return u.getConstructor().newInstance();
                }
            }
        }
        return make(s);
    }

    @SuppressWarnings({"unchecked", "rawtypes"})
    private Object map(Shape s) throws Exception {
        if (in.peek() == '[') {
            return unwrapped(s);
        }
        if (in.peek() != '{') {
            return notAnObject(s);
        }
        Shape key = s.part(Map.class, 0);
        Shape value = s.part(Map.class, 1);
        Map<Object, Object> map;
        if (s.raw == EnumMap.class) {
            map = new EnumMap(key.raw);
        } else {
            map = (Map<Object, Object>) made(s, new Class<?>[] {
                LinkedHashMap.class, TreeMap.class, ConcurrentHashMap.class, ConcurrentSkipListMap.class});
        }
        for (boolean more = in.beginObject(); more; more = in.moreInObject()) {
            String name = in.name();
            Object k = key.raw == Object.class ? name : Scalars.key(name, key.raw);
            Object v = value(value);
            if (k != null) {
                map.put(k, v);
            }
        }
        return map;
    }

    // Objects of the user's classes.

    private Object notAnObject(Shape s) throws Exception {
        char next = in.peek();
        if (next == '"' || next == '\'') {
            String text = in.string();
            if (text.trim().isEmpty()) {
                return null;
            }
            throw new JsonException("Cannot construct instance of `" + s + "` (although at least one Creator exists): no "
                    + "String-argument constructor/factory method to deserialize from String value ('" + text + "')" + in.place());
        }
        String what = next == 't' || next == 'f' ? "Boolean" : "Number";
        Object value = in.any();
        throw new JsonException("Cannot construct instance of `" + s + "` (although at least one Creator exists): no "
                + what + "-argument constructor/factory method to deserialize from " + what + " value (" + value + ")" + in.place());
    }

    private Object object(Shape s) throws Exception {
        if (in.peek() == '[') {
            return unwrapped(s);
        }
        if (in.peek() != '{') {
            return notAnObject(s);
        }
        Bean bean = Bean.of(s);
        return bean.takesAll() ? all(bean) : set(bean, make(s));
    }

    private Object make(Shape s) throws Exception {
        Bean bean = Bean.of(s);
        if (!bean.canBeMade() || bean.outer() != null && !bean.outer().isInstance(owner)) {
            boolean isAbstract = Modifier.isAbstract(s.raw.getModifiers());
            throw new JsonException("Cannot construct instance of `" + s + "` (no Creators, like default constructor, exist): "
                    + (isAbstract ? "abstract types either need to be mapped to concrete types, have custom deserializer, or contain "
                    + "additional type information" : "cannot deserialize from Object value (no delegate- or property-based Creator)")
                    + in.place());
        }
        return bean.outer() == null ? bean.make() : bean.make(owner);
    }

    private Object set(Bean bean, Object made) throws Exception {
        for (boolean more = in.beginObject(); more; more = in.moreInObject()) {
            Bean.Property p = bean.property(in.name());
            if (p == null || !p.sets()) {
                in.skip();
                continue;
            }
            owner = made;
            Object value = member(bean, p);
            try {
                p.set(made, value);
            } catch (Exception e) {
                throw new JsonException(e.getMessage() + through(bean, p), e);
            }
        }
        return made;
    }

    private Object member(Bean bean, Bean.Property p) throws Exception {
        try {
            return value(p.readAs);
        } catch (JsonException e) {
            throw new JsonException(e.getMessage() + through(bean, p), e.getCause());
        }
    }

    private static String through(Bean bean, Bean.Property p) {
        return " (through reference chain: " + bean.shape.raw.getName() + "[\"" + p.name + "\"])";
    }

    /** An object whose constructor takes all properties. */
    private Object all(Bean bean) throws Exception {
        Object[] args = bean.noArguments();
        for (boolean more = in.beginObject(); more; more = in.moreInObject()) {
            Bean.Property p = bean.property(in.name());
            if (p == null || p.argument < 0) {
                in.skip();
            } else {
                args[p.argument] = member(bean, p);
            }
        }
        for (int i = 0; i < args.length; i++) {
            if (args[i] == null) {
                args[i] = missing(bean, i);
            }
        }
        return bean.make(args);
    }

    private Object missing(Bean bean, int i) throws Exception {
        Class<?> type = bean.argumentType(i);
        if (!Events.byConstructor(bean.shape.raw)) {
            return Scalars.zero(type);
        }
        if (type == String.class) {
            return bean.argumentIs(i, "eventTime") ? null : "";
        }
        if (type == Long.class) {
            return 0L;
        }
        if (!Events.byConstructor(type)) {
            return null;
        }
        Bean part = Bean.of(Shape.of(type));
        Object[] args = part.noArguments();
        for (int k = 0; k < args.length; k++) {
            args[k] = missing(part, k);
        }
        return part.make(args);
    }
}
