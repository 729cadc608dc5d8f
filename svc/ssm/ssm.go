// Package ssm is Systems Manager's Parameter Store: named values in hierarchies, with
// versions, labels and tags.
//
// What differs from AWS on purpose:
//
//   - Only Parameter Store is here. What else Systems Manager does answers that it is not.
//   - Secure strings are sealed with the installation's keys, whatever key they name; the
//     name is stored and shown.
//   - An expiration policy deletes its parameter. The policies that only notify are stored
//     and shown.
//   - There are no public parameters below /aws/service.
//
// https://docs.aws.amazon.com/systems-manager/latest/userguide/systems-manager-parameter-store.html
package ssm

import (
	"context"

	api "github.com/tule-cloud/tule/api/ssm"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/seal"
	"github.com/tule-cloud/tule/store"
)

// Options are what the service needs, all of them.
type Options struct {
	Store store.Store
	Clock aws.Clock
	Keys  *seal.Keys
}

// Service answers the operations of Parameter Store.
type Service struct {
	Options
	box *seal.Box // for secure strings
}

// New returns a Service that keeps its state in o.Store.
func New(o Options) *Service {
	return &Service{Options: o, box: o.Keys.For("ssm parameter")}
}

// What the service keeps.
var (
	parameters = store.NewTable[parameter]("ssm", "parameter") // name
	versions   = store.NewTable[version]("ssm", "version")     // name, number
	counts     = store.NewCounter("ssm", "count")              // tier
)

// Routes are the operations that the service answers.
func (s *Service) Routes() []aws.Route {
	return []aws.Route{
		api.PutParameter.To(s.putParameter, s.guardPut),
		api.GetParameter.To(s.getParameter, s.guardGet),
		api.GetParameters.To(s.getParameters, s.guardGetMany),
		api.GetParametersByPath.To(s.getParametersByPath, s.guardGetByPath),
		api.GetParameterHistory.To(s.getParameterHistory, s.guardHistory),
		api.DescribeParameters.To(s.describeParameters, aws.Anywhere),
		api.DeleteParameter.To(s.deleteParameter, s.guardDelete),
		api.DeleteParameters.To(s.deleteParameters, s.guardDeleteMany),
		api.LabelParameterVersion.To(s.labelParameterVersion, s.guardLabel),
		api.UnlabelParameterVersion.To(s.unlabelParameterVersion, s.guardUnlabel),
		api.AddTagsToResource.To(s.addTagsToResource, s.guardTag),
		api.RemoveTagsFromResource.To(s.removeTagsFromResource, s.guardUntag),
		api.ListTagsForResource.To(s.listTagsForResource, s.guardListTags),
	}
}

// scopeOf is where a call's parameters are.
func scopeOf(ctx context.Context) store.Scope {
	req := aws.RequestOf(ctx)
	return store.Scope{Account: req.Account(), Region: req.Region}
}
