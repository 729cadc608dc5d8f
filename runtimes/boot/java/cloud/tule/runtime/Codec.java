package cloud.tule.runtime;

import com.amazonaws.services.lambda.runtime.CustomPojoSerializer;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.util.Iterator;
import java.util.ServiceLoader;

/** How events become values and results become JSON: by Mapper, or by what the function brings for that. */
final class Codec {
    private final CustomPojoSerializer own; // null without

    Codec(UserLoader loader) {
        boolean named = loader.findResource("META-INF/services/" + CustomPojoSerializer.class.getName()) != null;
        own = named ? find(loader) : null;
    }

    private static CustomPojoSerializer find(ClassLoader loader) {
        Iterator<CustomPojoSerializer> all = ServiceLoader.load(CustomPojoSerializer.class, loader).iterator();
        CustomPojoSerializer found = all.hasNext() ? all.next() : null;
        if (all.hasNext()) {
            throw Fault.of("Too many serializers provided inside the META-INF/services folder, only one is allowed");
        }
        return found;
    }

    Object read(byte[] json, Shape shape) {
        try {
            return own != null ? own.fromJson(new ByteArrayInputStream(json), shape.type()) : Mapper.read(json, shape);
        } catch (Throwable t) {
            throw new RuntimeException("An error occurred during JSON parsing", unchecked(t));
        }
    }

    byte[] write(Object value, Shape shape) {
        try {
            if (own == null) {
                return Mapper.write(value, shape);
            }
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            own.toJson(value, out, shape.type());
            return out.toByteArray();
        } catch (Throwable t) {
            throw new RuntimeException("An error occurred during JSON serialization of response", unchecked(t));
        }
    }

    private static Throwable unchecked(Throwable t) {
        return t instanceof JsonException ? new java.io.UncheckedIOException((JsonException) t) : t;
    }
}
