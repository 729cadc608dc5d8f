package cloud.tule.runtime;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;

/**
 * Does once what every function will have done: before it is known for which function the process is, and to
 * tell the machine which classes to keep in its archive.
 */
public final class Practice {
    private Practice() {}

    /** What events are read as. */
    public static final class Event {
        private String name;
        private List<Map<String, Double>> list;

        public String getName() {
            return name;
        }

        public void setName(String name) {
            this.name = name;
        }

        public List<Map<String, Double>> getList() {
            return list;
        }

        public void setList(List<Map<String, Double>> list) {
            this.list = list;
        }

        /** A handler. */
        public static Event answer(Event event) {
            return event;
        }
    }

    static void run() throws Exception {
        byte[] json = "{\"name\":\"a\\n\",\"list\":[{\"x\":1.5}],\"other\":[true,null]}".getBytes(StandardCharsets.UTF_8);
        Mapper.write(Mapper.read(json, Shape.OBJECT), Shape.OBJECT);
        Fault.json(new Exception("practice"));
        Fault.of(new Exception("practice"), false).log();
        try (UserLoader loader = new UserLoader("/var/task")) {
            Handlers handlers = new Handlers(loader);
            handlers.find("none.at.All");
            handlers.find(Event.class.getName() + "::answer").call(json, null);
            loader.tell("none", false);
        } catch (Throwable t) {
            throw new IllegalStateException(t);
        }
        System.getenv("TZ");
        Class.forName(Bootstrap.class.getName());
        Class.forName(Invoke.class.getName());
        Class.forName(InvokeContext.class.getName());
        Class.forName(Log.class.getName());
        Class.forName(Settings.class.getName());
    }
}
