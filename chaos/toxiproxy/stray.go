package toxiproxy

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// stray tells of a proxy that was asked for and is not there, with those that may have been meant. The answer is
// Toxiproxy's, which its clients know, and has no room for it.
func (s *Server) stray(ctx context.Context, name string) {
	if s.Stray == nil {
		return
	}
	all, _ := s.all(ctx) // where the fleet does not answer, its edges are as they were
	near := near(title(name), slices.Sorted(maps.Keys(all)))
	if len(name) > maxNear {
		name = name[:maxNear] + "…"
	}
	s.telling.Lock()
	defer s.telling.Unlock()
	s.Stray(name, near)
}

// near returns the known names of the same edge with a port, else the one that is most like the name.
func near(name string, known []string) (all []string) {
	edge, _, _ := strings.Cut(name, "/")
	best, least := "", max(2, len(name)/3)+1
	for _, k := range known {
		if strings.HasPrefix(k, edge+"/") || k == edge {
			all = append(all, k)
		}
		if len(name) > maxNear {
			continue // the time goes with its length, and nothing that is known is as long
		}
		if d := levenshtein.ComputeDistance(name, k); d < least {
			best, least = k, d
		}
	}
	if len(all) == 0 && best != "" {
		all = append(all, best)
	}
	return all
}

// maxNear bounds the names for which a near one is searched, and what is told of any, in bytes.
const maxNear = 100
