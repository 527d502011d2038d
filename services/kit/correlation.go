package kit

import (
	"context"
	"regexp"

	"github.com/google/uuid"
)

// CorrelationHeader carries the correlation id of one user's action over every hop.
const CorrelationHeader = "X-Correlation-ID"

type correlationKey struct{}

var validCorrelation = regexp.MustCompile(`^[A-Za-z0-9._:-]{1,128}$`)

// Correlation returns the correlation id of ctx, or "".
func Correlation(ctx context.Context) string {
	id, _ := ctx.Value(correlationKey{}).(string)
	return id
}

// WithCorrelation returns ctx with that id, or with a new one where id is empty or could not be
// sent in a header.
func WithCorrelation(ctx context.Context, id string) context.Context {
	if !validCorrelation.MatchString(id) {
		id = NewID()
	}
	return context.WithValue(ctx, correlationKey{}, id)
}

// NewID returns a new unique id. Later ids sort after earlier ones (UUID version 7).
func NewID() string { return uuid.Must(uuid.NewV7()).String() }
