package apigateway

// bucketKey names what a limit is on: a key in a plan, a method for a key, or one for everybody.
type bucketKey struct{ plan, key, api, stage, method string }
