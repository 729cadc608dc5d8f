package cloud.tule.runtime;

import java.io.File;
import java.lang.reflect.Method;
import java.net.MalformedURLException;
import java.net.URL;
import java.net.URLClassLoader;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Loads the function's classes: from its folder, the jars in its lib, and those of layers. What it shares with
 * the bootstrap is AWS's interfaces, which are the bootstrap's, whatever version of them the function brings.
 */
final class UserLoader extends URLClassLoader {
    static {
        registerAsParallelCapable();
    }

    UserLoader(String root) throws MalformedURLException {
        super(places(root), UserLoader.class.getClassLoader());
    }

    private static URL[] places(String root) throws MalformedURLException {
        List<URL> all = new ArrayList<>();
        all.add(new URL("file", null, -1, root + "/"));
        jars(root + "/lib", all);
        jars("/opt/java/lib", all);
        return all.toArray(new URL[0]);
    }

    private static void jars(String folder, List<URL> all) throws MalformedURLException {
        String[] names = new File(folder).list();
        if (names == null) {
            return;
        }
        Arrays.sort(names);
        for (String name : names) {
            if (name.endsWith(".jar") && name.length() > 4) {
                all.add(new URL("file", null, -1, folder + "/" + name));
            }
        }
    }

    /** Whether the function has used the class. */
    private boolean uses(String name) {
        synchronized (getClassLoadingLock(name)) {
            return findLoadedClass(name) != null;
        }
    }

    /**
     * Tells the logging libraries that the function uses which request it is. One that it does not use is not
     * looked for: that would open each of its jars.
     */
    void tell(String request, boolean appender) {
        if (appender || uses("org.apache.log4j.Category")) {
            put("org.apache.log4j.MDC", Object.class, request);
        }
        if (appender || uses("org.apache.logging.log4j.LogManager")) {
            put("org.apache.logging.log4j.ThreadContext", String.class, request);
        }
        if (uses("org.slf4j.LoggerFactory")) {
            put("org.slf4j.MDC", String.class, request);
        }
    }

    private void put(String name, Class<?> value, String request) {
        try {
            Method put = Class.forName(name, true, this).getMethod("put", String.class, value);
            put.invoke(null, "AWSRequestId", request);
        } catch (ReflectiveOperationException | LinkageError e) {
            return; // the function has another library, or a part of this one
        }
    }
}
