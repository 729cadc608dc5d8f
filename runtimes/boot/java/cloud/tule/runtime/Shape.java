package cloud.tule.runtime;

import java.lang.reflect.Array;
import java.lang.reflect.GenericArrayType;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.lang.reflect.TypeVariable;
import java.lang.reflect.WildcardType;
import java.util.Arrays;

/** A type whose variables are all known: a class, and its arguments if it has any. */
final class Shape {
    private static final Shape[] NONE = {};
    private static final int DEPTH = 32; // of variables that are bounded by themselves

    static final Shape OBJECT = new Shape(Object.class, NONE);
    static final Shape STRING = new Shape(String.class, NONE);

    final Class<?> raw;
    final Shape[] args;

    private Shape(Class<?> raw, Shape[] args) {
        this.raw = raw;
        this.args = args;
    }

    static Shape of(Type type) {
        return of(type, null, 0);
    }

    /** The shape of a type that is spoken of within owner, whose variables it may name. */
    static Shape of(Type type, Shape owner) {
        return of(type, owner, 0);
    }

    private static Shape of(Type type, Shape owner, int depth) {
        if (depth > DEPTH) {
            return OBJECT;
        }
        if (type instanceof Class) {
            return new Shape((Class<?>) type, NONE);
        }
        if (type instanceof ParameterizedType) {
            Type[] given = ((ParameterizedType) type).getActualTypeArguments();
            Shape[] args = new Shape[given.length];
            for (int i = 0; i < given.length; i++) {
                args[i] = of(given[i], owner, depth + 1);
            }
            return new Shape((Class<?>) ((ParameterizedType) type).getRawType(), args);
        }
        if (type instanceof GenericArrayType) {
            Shape part = of(((GenericArrayType) type).getGenericComponentType(), owner, depth + 1);
            return new Shape(Array.newInstance(part.raw, 0).getClass(), new Shape[] {part});
        }
        if (type instanceof WildcardType) {
            return of(((WildcardType) type).getUpperBounds()[0], owner, depth + 1);
        }
        TypeVariable<?> variable = (TypeVariable<?>) type;
        Shape known = owner == null ? null : owner.variable(variable);
        return known != null ? known : of(variable.getBounds()[0], owner, depth + 1);
    }

    /** What a variable of this class, or of one above it, stands for; null if nobody said. */
    private Shape variable(TypeVariable<?> variable) {
        if (!(variable.getGenericDeclaration() instanceof Class)) {
            return null;
        }
        Shape declarer = as((Class<?>) variable.getGenericDeclaration());
        if (declarer == null || declarer.args.length == 0) {
            return null;
        }
        TypeVariable<?>[] all = declarer.raw.getTypeParameters();
        int i = Arrays.asList(all).indexOf(variable);
        return i < 0 ? null : declarer.args[i];
    }

    /** This shape as one of the class or interface above it; null if that is none. */
    Shape as(Class<?> above) {
        if (raw == above) {
            return this;
        }
        if (!above.isAssignableFrom(raw)) {
            return null;
        }
        for (Type type : raw.getGenericInterfaces()) {
            Shape found = of(type, this).as(above);
            if (found != null) {
                return found;
            }
        }
        Type parent = raw.getGenericSuperclass();
        return parent == null ? null : of(parent, this).as(above);
    }

    /** What the i-th argument of the class above is: of List<String>, as Collection, 0 is String. */
    Shape part(Class<?> above, int i) {
        Shape found = as(above);
        return found == null || i >= found.args.length ? OBJECT : found.args[i];
    }

    /** What an array's elements are. */
    Shape element() {
        return args.length > 0 ? args[0] : new Shape(raw.getComponentType(), NONE);
    }

    /** This shape as Java's reflection has types. */
    Type type() {
        if (args.length == 0 || raw.isArray()) {
            return raw;
        }
        Type[] types = new Type[args.length];
        for (int i = 0; i < args.length; i++) {
            types[i] = args[i].type();
        }
        return new ParameterizedType() {
            @Override
            public Type[] getActualTypeArguments() {
                return types.clone();
            }

            @Override
            public Type getRawType() {
                return raw;
            }

            @Override
            public Type getOwnerType() {
                return raw.getDeclaringClass();
            }
        };
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Shape && raw == ((Shape) other).raw && Arrays.equals(args, ((Shape) other).args);
    }

    @Override
    public int hashCode() {
        return raw.hashCode() * 31 + Arrays.hashCode(args);
    }

    /** The name as messages have it: `java.util.List<java.lang.String>`. */
    @Override
    public String toString() {
        if (raw.isArray()) {
            return element() + "[]";
        }
        StringBuilder name = new StringBuilder(raw.getName());
        for (int i = 0; i < args.length; i++) {
            name.append(i == 0 ? '<' : ',').append(args[i]);
        }
        return args.length == 0 ? name.toString() : name.append('>').toString();
    }
}
