import java.util.Collections;
import java.util.Map;

/** Redirects by failing: the cause's class says what kind it is, and its message where to. */
public class HandlerDemo {
    /** The resource is elsewhere. */
    public static class ResponseFound extends Throwable {
        public ResponseFound(String uri) {
            super(uri);
        }

        @Override
        public String toString() {
            return "HandlerDemo.ResponseFound: " + getMessage();
        }
    }

    public Map<String, Object> handle(Map<String, Object> event) throws Exception {
        if ("found".equals(event.get("kind"))) {
            return Collections.<String, Object>singletonMap("found", true);
        }
        throw new Exception(new ResponseFound((String) event.get("to")));
    }
}
