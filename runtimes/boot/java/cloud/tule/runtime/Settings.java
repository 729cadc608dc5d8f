package cloud.tule.runtime;

import java.util.List;
import java.util.Map;

/** The init frame: what is to be loaded, and for whom. */
final class Settings {
    final int protocol;
    final String handler;
    final String function;
    final String version;
    final int memory; // MB
    final String group;
    final String stream;
    final String root;
    final List<?> environ; // null unless the process waited

    Settings(byte[] json) throws JsonException {
        Map<?, ?> all = (Map<?, ?>) new JsonReader(json).any();
        protocol = (Integer) all.get("protocol");
        handler = (String) all.get("handler");
        function = (String) all.get("functionName");
        version = (String) all.get("functionVersion");
        memory = Integer.parseInt((String) all.get("memory"));
        group = (String) all.get("logGroup");
        stream = (String) all.get("logStream");
        root = (String) all.get("taskRoot");
        environ = (List<?>) all.get("environ");
    }
}
