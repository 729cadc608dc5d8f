package ses

import "github.com/tule-cloud/tule/aws"

// Version2 are the operations of the API's second version that the service answers.
func (s *Service) Version2() []aws.Route {
	return nil
}
