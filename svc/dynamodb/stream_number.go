package dynamodb

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// number makes sure that there are numbers for what streams tell. They are at least the
// minutes since 1970 in their upper bits, so that they also grow where the state was reset.
func (s *Service) number(ctx context.Context) error {
	return s.numbering.Start(ctx, s.store, uint64(max(s.clock.Now().Unix()/60, 1))<<36)
}

// sequencePrefix makes sequence numbers as long as the model wants them.
const sequencePrefix = "100000"

// sequence is a number as clients know it: a decimal that grows, of 26 digits.
func sequence(n uint64) string { return fmt.Sprintf("%s%020d", sequencePrefix, n) }

// parseSequence reads what sequence wrote.
func parseSequence(text string) (uint64, bool) {
	digits, ok := strings.CutPrefix(text, sequencePrefix)
	if !ok || len(digits) != 20 {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	return n, err == nil && sequence(n) == text
}
