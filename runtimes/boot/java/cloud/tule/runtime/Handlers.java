package cloud.tule.runtime;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import com.amazonaws.services.lambda.runtime.RequestStreamHandler;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.reflect.Constructor;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * Finds handlers as AWS's runtime does: "package.Class" is one that implements one of the two interfaces,
 * "package.Class::method" has the best of the public methods of that name.
 * https://docs.aws.amazon.com/lambda/latest/dg/java-handler.html
 */
final class Handlers {
    private static final byte[] NULL = "null".getBytes(StandardCharsets.UTF_8);

    private final UserLoader loader;
    private final Codec codec;

    Handlers(UserLoader loader) {
        this.loader = loader;
        codec = new Codec(loader);
    }

    /**
     * The handler of that name. One that cannot be had answers each invoke by saying why, as on AWS; a Fault
     * that is thrown ends the process.
     */
    Handler find(String name) {
        try {
            return load(name);
        } catch (Fault fault) {
            if (fault.fatal) {
                throw fault;
            }
            return (event, context) -> {
                throw fault;
            };
        }
    }

    private Handler load(String name) {
        int colons = name.lastIndexOf("::");
        String className = colons < 0 ? name : name.substring(0, colons);
        String method = colons < 0 ? null : name.substring(colons + 2);
        if (className.isEmpty() || "".equals(method)) {
            throw Fault.of("Invalid handler: `" + name + "'");
        }
        Class<?> c;
        try {
            c = Class.forName(className, true, loader);
        } catch (ClassNotFoundException e) {
            throw Fault.of("Class not found: " + className, e, false);
        } catch (Throwable t) {
            String why = t.getMessage() == null ? "" : ": " + t.getMessage();
            throw Fault.of("Error loading class " + className + why, t, !(t instanceof NoClassDefFoundError));
        }
        if (method != null) {
            return method(c, method);
        }
        if (RequestStreamHandler.class.isAssignableFrom(c)) {
            return streams((RequestStreamHandler) made(c));
        }
        if (RequestHandler.class.isAssignableFrom(c)) {
            return values(c);
        }
        throw Fault.of("Class does not implement an appropriate handler interface: " + className);
    }

    private static Object made(Class<?> c) {
        try {
            Constructor<?> constructor = c.getConstructor();
            return constructor.newInstance();
        } catch (NoSuchMethodException e) {
            boolean inner = c.getEnclosingClass() != null && !Modifier.isStatic(c.getModifiers());
            Exception why = inner
                    ? new Exception("Class " + c.getName() + " cannot be instantiated because it is a non-static inner class")
                    : new Exception("Class " + c.getName() + " has no public zero-argument constructor", e);
            throw Fault.of(why, false);
        } catch (InvocationTargetException e) {
            throw Fault.of(e.getCause(), true);
        } catch (Throwable t) {
            throw Fault.of(t, false);
        }
    }

    // The two interfaces.

    private static Handler streams(RequestStreamHandler handler) {
        return (event, context) -> {
            ByteArrayOutputStream out = new ByteArrayOutputStream(1024);
            handler.handleRequest(new ByteArrayInputStream(event), out, context);
            return out.toByteArray();
        };
    }

    @SuppressWarnings("unchecked")
    private Handler values(Class<?> c) {
        Shape shape = Shape.of(c).as(RequestHandler.class);
        if (shape.args.length != 2) {
            throw Fault.of("Class " + c.getName() + " does not implement RequestHandler with concrete type parameters");
        }
        Shape input = shape.args[0];
        Shape output = shape.args[1];
        RequestHandler<Object, Object> handler = (RequestHandler<Object, Object>) made(c);
        return (event, context) -> {
            Object value = codec.read(event, input);
            return answer(handler.handleRequest(value, context), output);
        };
    }

    private byte[] answer(Object result, Shape shape) {
        return shape.raw == void.class || shape.raw == Void.class ? NULL : codec.write(result, shape);
    }

    // Methods.

    private Handler method(Class<?> c, String name) {
        List<Method> all = new ArrayList<>();
        try {
            for (Method m : c.getMethods()) {
                if (m.getName().equals(name)) {
                    all.add(m);
                }
            }
        } catch (NoClassDefFoundError e) {
            throw Fault.of("Error loading method " + name + " on class " + c.getName(), e, false);
        }
        all.sort((a, b) -> a.isBridge() != b.isBridge() ? (a.isBridge() ? 1 : -1) : Integer.compare(weight(b), weight(a)));
        for (Method m : all) {
            if (fits(m)) {
                return calling(c, m);
            }
        }
        throw Fault.of("No public method named " + name + " with appropriate method signature found on class " + c.getName());
    }

    /** The longer is the better, and a context counts twice. */
    private static int weight(Method m) {
        Class<?>[] types = m.getParameterTypes();
        return types.length > 0 && types[types.length - 1] == Context.class ? types.length + 1 : types.length;
    }

    /** Whether AWS would call a method with these parameters; if not, the log says why. */
    private static boolean fits(Method m) {
        Class<?>[] p = m.getParameterTypes();
        String why = null;
        if (p.length == 2 && p[0] == OutputStream.class && p[1] != Context.class) {
            why = "two-argument overload because first argument type is OutputStream and second argument type is not Context";
        } else if (p.length == 2 && p[0] == Context.class) {
            why = "two-argument overload because first argument type is Context";
        } else if (p.length == 2 && p[0] == InputStream.class && p[1] != OutputStream.class && p[1] != Context.class) {
            why = "two-argument overload because second parameter type, " + p[1].getName() + ", is not OutputStream.";
        } else if (p.length == 2 && p[0] != InputStream.class && p[1] != Context.class) {
            why = "two-argument overload because second parameter type is not Context";
        } else if (p.length == 3 && (p[0] != InputStream.class || p[1] != OutputStream.class || p[2] != Context.class)) {
            why = "three-argument overload because argument signature is not (InputStream, OutputStream, Context";
        } else if (p.length > 3) {
            why = "an overload of method " + m.getName() + " because it has too many parameters: Expected at most 3, got " + p.length;
        }
        if (why != null) {
            System.err.println("Ignoring " + why);
        }
        return why == null;
    }

    private Handler calling(Class<?> c, Method m) {
        Class<?>[] types = m.getParameterTypes();
        boolean bytes = types.length > 0 && (types[0] == InputStream.class || types[0] == OutputStream.class);
        Shape output = Shape.of(m.getGenericReturnType(), Shape.of(c));
        if (bytes && output.raw != void.class && output.raw != Void.class) {
            System.err.println("Will ignore return type " + m.getReturnType() + " on byte stream handler");
        }
        Object owner = Modifier.isStatic(m.getModifiers()) ? null : made(c);
        if (bytes) {
            return (event, context) -> copied(m, owner, event, context);
        }
        boolean takesEvent = types.length > 0 && types[0] != Context.class;
        Shape input = takesEvent ? Shape.of(m.getGenericParameterTypes()[0], Shape.of(c)) : null;
        return (event, context) -> {
            Object value = takesEvent ? codec.read(event, input) : null;
            Object[] args = new Object[types.length];
            for (int i = 0; i < args.length; i++) {
                args[i] = types[i] == Context.class ? context : value;
            }
            return answer(call(m, owner, args), output);
        };
    }

    /** Calls a method of streams. Without one for the answer, that is null. */
    private static byte[] copied(Method m, Object owner, byte[] event, Context context) throws Throwable {
        ByteArrayOutputStream out = new ByteArrayOutputStream(1024);
        Class<?>[] types = m.getParameterTypes();
        Object[] args = new Object[types.length];
        boolean writes = false;
        for (int i = 0; i < args.length; i++) {
            writes |= types[i] == OutputStream.class;
            args[i] = types[i] == Context.class ? context : types[i] == OutputStream.class ? out : new ByteArrayInputStream(event);
        }
        call(m, owner, args);
        return writes ? out.toByteArray() : NULL;
    }

    private static Object call(Method m, Object owner, Object[] args) throws Throwable {
        try {
            return m.invoke(owner, args);
        } catch (InvocationTargetException e) {
            throw e.getCause() == null ? e : e.getCause();
        }
    }
}
