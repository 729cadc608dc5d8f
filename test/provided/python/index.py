import os
import time


class NoSuchThing(Exception):
    pass


def handler(event, context):
    print("saw", event, context.aws_request_id)
    what = event.get("do")
    if what == "throw":
        raise NoSuchThing("no such thing")
    if what == "exit":
        os._exit(3)
    if what == "sleep":
        time.sleep(60)
    return {"event": event, "arn": context.invoked_function_arn, "left": context.get_remaining_time_in_millis() > 0}
