package apigateway

type programCache struct{}

func newProgramCache() programCache { return programCache{} }
