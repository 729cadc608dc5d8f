package lambda

import (
	"crypto/rand"
	"encoding/json"

	api "github.com/tule-cloud/tule/api/lambda"
	"github.com/tule-cloud/tule/seal"
)

// The variables of functions are sealed before they come near the store: who has only
// the store's files cannot read them. What they are sealed with is the installation's,
// not the function's, whose versions share one sealed text; who could give it to another
// function could as well change the code that it is given to.

const (
	variablesPurpose = "lambda environment"
	variablesContext = "variables"
)

// passingKeys last as long as the process.
func passingKeys() *seal.Keys {
	var root [32]byte
	rand.Read(root[:]) // never fails
	return seal.New(root, rand.Reader)
}

// setVariables gives a version the variables of its functions.
func (s *Service) setVariables(v *version, vars map[string]string) error {
	v.Environment, v.HasEnv, v.Locked, v.Sealed = vars, true, false, nil
	if len(vars) == 0 {
		return nil
	}
	b, err := json.Marshal(vars)
	if err == nil {
		v.Sealed, err = s.variables.Seal(b, variablesContext)
	}
	return err
}

// unlock makes a version's variables known that was read from the store. Those that were
// sealed with other keys stay unknown, and the function's to replace.
func (s *Service) unlock(v *version) error {
	if len(v.Sealed) == 0 {
		return nil
	}
	b, err := s.variables.Open(v.Sealed, variablesContext)
	if err != nil {
		v.Locked = true
		return nil
	}
	return json.Unmarshal(b, &v.Environment)
}

// locked is AWS's word for variables that cannot be read, as an answer and an error.
const locked = "Lambda was unable to decrypt the environment variables because KMS access was denied. Please check the function's KMS key settings."

// shownVariables are a version's variables as answers show them; nil without.
func (v *version) shownVariables() *api.EnvironmentResponse {
	switch {
	case v.Locked:
		return &api.EnvironmentResponse{Error: &api.EnvironmentError{ErrorCode: ptr("AccessDeniedException"), Message: ptr(locked)}}
	case !v.HasEnv:
		return nil
	case v.Environment == nil:
		return &api.EnvironmentResponse{Variables: map[string]string{}}
	}
	return &api.EnvironmentResponse{Variables: v.Environment}
}

// checkLocked refuses to run a version whose variables cannot be read.
func (v *version) checkLocked() error {
	if !v.Locked {
		return nil
	}
	return api.KMSAccessDeniedException(locked).With(&api.KMSAccessDeniedExceptionDetail{Type: ptr("User")})
}
