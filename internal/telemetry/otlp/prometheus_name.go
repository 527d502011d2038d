package otlp

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"msctl.dev/msctl/internal/telemetry"
)

func kindOf(s telemetry.Series) string {
	switch {
	case s.Type == "sum" && s.Monoton:
		return "counter"
	case s.Type == "histogram", s.Type == "summary":
		return s.Type
	}
	return "gauge"
}

// family is the name of a metric as OpenTelemetry's rules for Prometheus make it: characters replaced, the
// unit spelled out, _total behind a counter.
func family(s telemetry.Series) string {
	name := clean(s.Name, ":")
	if u := unitName(s.Unit); u != "" && !strings.HasSuffix(strings.TrimSuffix(name, "_total"), u) {
		name = strings.TrimSuffix(name, "_total") + "_" + u
	}
	if s.Unit == "1" && s.Type == "gauge" && !strings.HasSuffix(name, "_ratio") {
		name += "_ratio"
	}
	if kindOf(s) == "counter" && !strings.HasSuffix(name, "_total") {
		name += "_total"
	}
	return name
}

// unitName spells out a unit of UCUM: "ms" is milliseconds, "By/s" bytes_per_second. Units in braces only
// say what is counted.
func unitName(unit string) string {
	of, per, divided := strings.Cut(unit, "/")
	name := spelled(of)
	if divided {
		if p := strings.TrimSuffix(spelled(per), "s"); p != "" {
			name = strings.TrimPrefix(name+"_per_"+p, "_")
		}
	}
	return name
}

func spelled(unit string) string {
	switch unit {
	case "", "1":
		return ""
	case "d":
		return "days"
	case "h":
		return "hours"
	case "min":
		return "minutes"
	case "s":
		return "seconds"
	case "ms":
		return "milliseconds"
	case "us":
		return "microseconds"
	case "ns":
		return "nanoseconds"
	case "By":
		return "bytes"
	case "KiBy":
		return "kibibytes"
	case "MiBy":
		return "mebibytes"
	case "kBy":
		return "kilobytes"
	case "MBy":
		return "megabytes"
	case "%":
		return "percent"
	}
	if strings.HasPrefix(unit, "{") {
		return ""
	}
	return strings.Trim(clean(unit, ""), "_")
}

// clean replaces what a name may not have by one underscore each run.
func clean(s, also string) string {
	var b strings.Builder
	under := false
	for i, r := range s {
		ok := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || strings.ContainsRune(also, r)
		if i == 0 && r >= '0' && r <= '9' {
			b.WriteByte('_')
		}
		if !ok && under {
			continue
		}
		if under = !ok; under {
			r = '_'
		}
		b.WriteRune(r)
	}
	if b.Len() == 0 {
		return "_"
	}
	return b.String()
}

// labels writes the attributes of a series. Two keys that become one label share it, as the rules say.
func labels(s telemetry.Series) string {
	values := map[string]string{"service_name": s.Service}
	if s.Scope != "" {
		values["otel_scope_name"] = s.Scope
	}
	for _, a := range s.Attrs {
		name := clean(a.Key, "")
		if strings.HasPrefix(name, "__") || name == "le" || name == "quantile" {
			name = "key_" + strings.TrimLeft(name, "_")
		}
		if old, taken := values[name]; taken {
			values[name] = old + ";" + attrText(a.Value)
			continue
		}
		values[name] = attrText(a.Value)
	}
	names := make([]string, 0, len(values))
	for n := range values {
		names = append(names, n)
	}
	slices.Sort(names)
	for i, n := range names {
		names[i] = label(n, values[n])
	}
	return strings.Join(names, ",")
}

func attrText(v any) string {
	switch v.(type) {
	case []any, []telemetry.Attr:
		b, _ := json.Marshal(v)
		return string(b)
	}
	return fmt.Sprint(v)
}

func label(name, value string) string {
	value = strings.ToValidUTF8(value, "\uFFFD")
	return name + `="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(value) + `"`
}

func escapeDoc(s string) string {
	return strings.NewReplacer(`\`, `\\`, "\n", `\n`).Replace(strings.ToValidUTF8(s, "\uFFFD"))
}
