package com.amazonaws.services.lambda.runtime;

/** A handler of events and answers that the runtime turns from and into JSON. */
public interface RequestHandler<I, O> {
    O handleRequest(I input, Context context);
}
