package resource

import (
	"fmt"
	"strings"

	"msctl.dev/msctl/internal/stack"
)

// Unembedded says which of the resources run as ever where embedded servers are asked for, since nothing
// embedded stands in for them, and what would; "" where there are none. A resource that chooses its runtime
// itself is none of them.
func Unembedded(all []*stack.Resource) string {
	var names, would []string
	for _, r := range all {
		k := Find(r.Type)
		if k == nil || r.Runtime != "" && r.Runtime != string(Auto) || len(recipes(k, r, Embedded, true)) > 0 {
			continue
		}
		names = append(names, r.Name)
		if len(k.StandIn) > 0 {
			would = append(would, fmt.Sprintf("%s: {embedded: %s}", r.Name, k.StandIn[0].Name))
		}
	}
	if len(names) == 0 {
		return ""
	}
	text := "not embedded, since stack.yaml does not say what stands in: " + strings.Join(names, ", ")
	if len(would) > 0 {
		text += "\nhint: " + strings.Join(would, ", ")
	}
	return text
}
