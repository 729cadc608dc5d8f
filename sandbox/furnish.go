package sandbox

import (
	"errors"
	"fmt"
)

// A Furnishing is what a sandbox that was started empty is given when it is known whose it
// will be: the code, and the limits that count from then on.
type Furnishing struct {
	Code   string   // host folder, shown read-only as /var/task
	Layers []string // host folders, shown merged and read-only as /opt; later ones win

	TmpSize   int64   // as in Spec; what is in /tmp stays
	Memory    int64   // as in Spec; the program must fit already
	Pids      int     // as in Spec
	CPU       float64 // as in Spec
	CPUWeight int     // as in Spec
}

// Furnish gives a running sandbox its code and limits. It is for a program that was started before
// anybody knew what it would be for, from a Spec without Code and Layers: an interpreter that waits.
// Its working folder, if that was /var/task, is still the empty one beneath: it must change into it
// again. Once is all that a sandbox can be furnished; Tule being root is needed (Features.Furnish),
// and errors.ErrUnsupported says that it is not. After another error the sandbox is fit for Close only.
func (s *Sandbox) Furnish(f Furnishing) error {
	spec := s.spec
	spec.Code, spec.Layers = f.Code, f.Layers
	spec.TmpSize, spec.Memory, spec.Pids, spec.CPU, spec.CPUWeight = f.TmpSize, f.Memory, f.Pids, f.CPU, f.CPUWeight
	if err := spec.complete(); err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	if s.spec.Code != "" || s.spec.Root != "" || len(s.spec.Layers) > 0 {
		return fmt.Errorf("sandbox: %s: it was started with its code", s.spec.ID)
	}
	if !s.furnished.CompareAndSwap(false, true) {
		return fmt.Errorf("sandbox: %s: it is furnished already", s.spec.ID)
	}
	if err := s.cell.furnish(spec); err != nil {
		if errors.Is(err, errors.ErrUnsupported) {
			return err
		}
		return fmt.Errorf("sandbox: %s: furnishing: %w", s.spec.ID, err)
	}
	return nil
}
