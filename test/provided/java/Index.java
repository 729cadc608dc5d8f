import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import java.util.Map;

public class Index implements RequestHandler<Map<String, Object>, Map<String, Object>> {
  @Override
  public Map<String, Object> handleRequest(Map<String, Object> event, Context context) {
    context.getLogger().log("saw " + event + " " + context.getAwsRequestId() + "\n");
    switch (String.valueOf(event.get("do"))) {
      case "throw":
        throw new IllegalStateException("no such thing");
      case "exit":
        Runtime.getRuntime().halt(3);
        break;
      case "sleep":
        try {
          Thread.sleep(60_000);
        } catch (InterruptedException e) {
          throw new RuntimeException(e);
        }
        break;
      default:
    }
    return Map.of("event", event, "arn", context.getInvokedFunctionArn(), "left", context.getRemainingTimeInMillis() > 0);
  }
}
