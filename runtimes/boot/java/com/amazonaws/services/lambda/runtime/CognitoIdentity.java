package com.amazonaws.services.lambda.runtime;

/** Who calls by Amazon Cognito. */
public interface CognitoIdentity {
    String getIdentityId();

    String getIdentityPoolId();
}
