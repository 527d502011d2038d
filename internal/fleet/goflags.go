package fleet

import (
	"strings"

	"msctl.dev/msctl/internal/stack"
)

// goFlags returns what a service's own environment says of GOFLAGS, such as -tags: its program is built by
// these, as its tasks are, which run `go` in that environment. A reference in it is not replaced.
func goFlags(s *stack.Service) string {
	flags := ""
	for _, v := range s.Env { // the last one wins
		if v.Name == "GOFLAGS" {
			flags = v.Value
		}
	}
	return flags
}

// goEnv returns what the environment of a build by these flags has beside the developer's, whose own flags
// come first.
func (f *Fleet) goEnv(flags string) []string {
	if flags == "" {
		return nil
	}
	if f.o.Getenv != nil {
		flags = strings.TrimSpace(f.o.Getenv("GOFLAGS") + " " + flags)
	}
	return []string{"GOFLAGS=" + flags}
}

// sameFlags returns the flags of all services, or none where they differ.
func sameFlags(services []*stack.Service) string {
	flags := goFlags(services[0])
	for _, s := range services {
		if goFlags(s) != flags {
			return ""
		}
	}
	return flags
}
