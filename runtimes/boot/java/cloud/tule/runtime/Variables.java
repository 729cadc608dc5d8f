package cloud.tule.runtime;

import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.util.List;
import java.util.Map;
import java.util.TimeZone;

/** The variables of a process that was started before it was known for which function. */
final class Variables {
    private Variables() {}

    /** Makes the variables those of the list, for System.getenv and those that build upon it. */
    @SuppressWarnings("unchecked")
    static void replace(List<?> list) throws ReflectiveOperationException {
        // The jar's manifest opens java.lang to us.
        Class<?> environment = Class.forName("java.lang.ProcessEnvironment");
        Field field = environment.getDeclaredField("theEnvironment");
        field.setAccessible(true);
        Map<Object, Object> map = (Map<Object, Object>) field.get(null);
        Method name = made("java.lang.ProcessEnvironment$Variable");
        Method value = made("java.lang.ProcessEnvironment$Value");
        map.clear();
        for (Object pair : list) {
            String text = (String) pair;
            int equals = text.indexOf('=', 1);
            map.put(name.invoke(null, text.substring(0, equals)), value.invoke(null, text.substring(equals + 1)));
        }
        String zone = System.getenv("TZ");
        if (zone != null && !zone.equals(":UTC")) {
            TimeZone.setDefault(TimeZone.getTimeZone(zone.startsWith(":") ? zone.substring(1) : zone));
        }
    }

    private static Method made(String type) throws ReflectiveOperationException {
        Method m = Class.forName(type).getDeclaredMethod("valueOf", String.class);
        m.setAccessible(true);
        return m;
    }
}
