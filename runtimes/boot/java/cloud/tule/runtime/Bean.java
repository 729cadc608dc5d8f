package cloud.tule.runtime;

import java.lang.reflect.AccessibleObject;
import java.lang.reflect.Constructor;
import java.lang.reflect.Field;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Member;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.Type;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * A class of the user's as JSON sees it. Its properties are what its public getters, its setters and its
 * public fields say; annotations say nothing. They come in the order of the fields, the methods without one
 * after them.
 */
final class Bean {
    /** One property. What cannot be read or written has null there. */
    static final class Property {
        final String name;
        private Field field;
        private Method getter;
        private Method setter;
        Shape readAs; // from JSON
        int argument = -1; // of a constructor that takes all

        Property(String name) {
            this.name = name;
        }

        boolean gets() {
            return getter != null || field != null;
        }

        boolean sets() {
            return setter != null || field != null || argument >= 0;
        }

        Object get(Object owner) throws Exception {
            try {
                return getter != null ? getter.invoke(owner) : field.get(owner);
            } catch (InvocationTargetException e) {
                throw unwrapped(e);
            }
        }

        void set(Object owner, Object value) throws Exception {
            try {
                if (setter != null) {
                    setter.invoke(owner, value);
                } else {
                    field.set(owner, value);
                }
            } catch (InvocationTargetException e) {
                throw unwrapped(e);
            }
        }
    }

    private static final Map<Shape, Bean> KNOWN = new ConcurrentHashMap<>();

    final Shape shape;
    private final Map<String, Property> properties = new LinkedHashMap<>();
    private Constructor<?> constructor;
    private int arguments; // of a constructor that takes all

    /** The class as JSON sees it, which is found out once. */
    static Bean of(Shape shape) {
        Bean known = KNOWN.get(shape);
        if (known == null) {
            known = new Bean(shape);
            KNOWN.put(shape, known);
        }
        return known;
    }

    private Bean(Shape shape) {
        this.shape = shape;
        fields(shape.raw);
        methods(shape.raw);
        if (isRecord(shape.raw) || Events.byConstructor(shape.raw)) {
            components();
        } else {
            constructor = constructor(shape.raw);
        }
        for (Iterator<Property> i = properties.values().iterator(); i.hasNext();) {
            Property p = i.next();
            if (!p.gets() && !p.sets()) {
                i.remove();
                continue;
            }
            Type type = p.setter != null ? p.setter.getGenericParameterTypes()[0] : p.field != null ? p.field.getGenericType() : null;
            if (type != null && p.argument < 0) {
                p.readAs = Shape.of(type, shape);
            }
        }
        order();
    }

    /** The constructor without arguments; an inner class's has its outer object. Null if there is none. */
    private static Constructor<?> constructor(Class<?> c) {
        boolean inner = c.getEnclosingClass() != null && !Modifier.isStatic(c.getModifiers());
        try {
            return open(inner ? c.getDeclaredConstructor(c.getEnclosingClass()) : c.getDeclaredConstructor());
        } catch (NoSuchMethodException e) {
            return null; // can be written only
        }
    }

    /** The class of the outer object that make wants; null if it wants none. */
    Class<?> outer() {
        return arguments == 0 && constructor != null && constructor.getParameterCount() == 1 ? shape.raw.getEnclosingClass() : null;
    }

    /** Puts the properties that Events names last. */
    private void order() {
        List<Property> last = new ArrayList<>();
        for (Property p : properties.values()) {
            if (Events.isNamed(shape.raw, p.name)) {
                last.add(p);
            }
        }
        for (Property p : last) {
            properties.remove(p.name);
            properties.put(p.name, p);
        }
    }

    Collection<Property> properties() {
        return properties.values();
    }

    Property property(String name) {
        return properties.get(name);
    }

    private static boolean isRecord(Class<?> c) {
        return c.getSuperclass() != null && c.getSuperclass().getName().equals("java.lang.Record");
    }

    /** Whether make wants a value for each property that has a number. */
    boolean takesAll() {
        return arguments > 0;
    }

    boolean canBeMade() {
        return constructor != null && !Modifier.isAbstract(shape.raw.getModifiers());
    }

    Object[] noArguments() {
        return new Object[arguments];
    }

    Class<?> argumentType(int i) {
        return constructor.getParameterTypes()[i];
    }

    /** Whether argument i is the property of that name. */
    boolean argumentIs(int i, String name) {
        Property p = properties.get(name);
        return p != null && p.argument == i;
    }

    Object make(Object... args) throws Exception {
        try {
            return constructor.newInstance(args);
        } catch (InvocationTargetException e) {
            throw unwrapped(e);
        }
    }

    static Exception unwrapped(InvocationTargetException e) throws Error {
        if (e.getCause() instanceof Error) {
            throw (Error) e.getCause();
        }
        return e.getCause() instanceof Exception ? (Exception) e.getCause() : e;
    }

    private Property at(String implied) {
        String name = Events.rename(shape.raw, implied);
        Property p = properties.get(name);
        if (p == null) {
            p = new Property(name);
            properties.put(name, p);
        }
        return p;
    }

    /** Fields hold their property's place, and are one if they are public. */
    private void fields(Class<?> c) {
        if (c == null || c == Object.class) {
            return;
        }
        fields(c.getSuperclass());
        for (Field f : c.getDeclaredFields()) {
            int m = f.getModifiers();
            if (Modifier.isStatic(m) || Modifier.isTransient(m) || f.isSynthetic()) {
                continue;
            }
            Property p = at(f.getName());
            if (Modifier.isPublic(m)) {
                p.field = open(f);
            }
        }
    }

    private void methods(Class<?> c) {
        List<Class<?>> all = new ArrayList<>();
        lineage(c, all);
        for (Class<?> type : all) {
            for (Method m : type.getDeclaredMethods()) {
                if (!Modifier.isStatic(m.getModifiers()) && !m.isSynthetic()) {
                    accessor(m);
                }
            }
        }
    }

    /** The class, then those above it, then the interfaces, whose default methods count too. */
    private static void lineage(Class<?> c, List<Class<?>> all) {
        for (Class<?> k = c; k != null && k != Object.class; k = k.getSuperclass()) {
            all.add(k);
        }
        for (int i = 0; i < all.size(); i++) {
            for (Class<?> k : all.get(i).getInterfaces()) {
                if (!all.contains(k)) {
                    all.add(k);
                }
            }
        }
    }

    private void accessor(Method m) {
        String name = m.getName();
        int n = m.getParameterCount();
        Class<?> type = m.getReturnType();
        if (n == 0 && Modifier.isPublic(m.getModifiers()) && type != void.class) {
            if (name.startsWith("get") && name.length() > 3 && !name.equals("getClass")) {
                getter(m, 3);
            } else if (name.startsWith("is") && name.length() > 2 && (type == boolean.class || type == Boolean.class)) {
                getter(m, 2);
            }
        } else if (n == 1 && name.startsWith("set") && name.length() > 3) {
            setter(m);
        }
    }

    private void getter(Method m, int prefix) {
        Property p = at(implied(m.getName(), prefix));
        if (p.getter == null || prefix == 3 && p.getter.getName().startsWith("is")) {
            p.getter = open(m);
        }
    }

    /** Of several setters of a class, the one that takes a String or what the getter returns. */
    private void setter(Method m) {
        Property p = at(implied(m.getName(), 3));
        boolean better = p.setter == null || p.setter.getDeclaringClass() == m.getDeclaringClass() && preference(m, p) > preference(p.setter, p);
        if (better) {
            p.setter = open(m);
        }
    }

    private static int preference(Method setter, Property p) {
        Class<?> type = setter.getParameterTypes()[0];
        if (p.getter != null && p.getter.getReturnType() == type) {
            return 3;
        }
        return type == String.class ? 2 : type == Object.class ? 0 : 1;
    }

    /** getPathTemplate is pathTemplate, getURL is URL: as java.beans has it. */
    private static String implied(String name, int prefix) {
        char first = name.charAt(prefix);
        boolean acronym = name.length() > prefix + 1 && Character.isUpperCase(name.charAt(prefix + 1));
        return acronym ? name.substring(prefix) : Character.toLowerCase(first) + name.substring(prefix + 1);
    }

    /** Finds the constructor that takes all fields. */
    private void components() {
        List<Field> all = new ArrayList<>();
        for (Class<?> c = shape.raw; c != null && c != Object.class; c = c.getSuperclass()) {
            int first = 0;
            for (Field f : c.getDeclaredFields()) {
                if (!Modifier.isStatic(f.getModifiers())) {
                    all.add(first++, f);
                }
            }
        }
        for (Constructor<?> c : shape.raw.getDeclaredConstructors()) {
            if (c.getParameterCount() == all.size()) {
                constructor = open(c);
            }
        }
        if (constructor == null) {
            return; // none of those that AWS knows
        }
        arguments = all.size();
        Type[] types = constructor.getGenericParameterTypes();
        for (int i = 0; i < arguments; i++) {
            Property p = at(all.get(i).getName());
            p.argument = i;
            p.readAs = Shape.of(types[i], shape);
            if (isRecord(shape.raw)) {
                try {
                    p.getter = open(shape.raw.getDeclaredMethod(all.get(i).getName()));
                } catch (NoSuchMethodException e) {
                    throw new IllegalStateException(e); // no record without
                }
            }
        }
    }

    /** Opens what the user's modules let us open; what they do not is as it is. */
    private static <T extends AccessibleObject & Member> T open(T member) {
        boolean open = Modifier.isPublic(member.getModifiers()) && Modifier.isPublic(member.getDeclaringClass().getModifiers());
        if (!open) {
            try {
                member.setAccessible(true);
            } catch (RuntimeException e) {
                return member; // its use says so
            }
        }
        return member;
    }
}
