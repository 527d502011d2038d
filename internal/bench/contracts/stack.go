package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// The size of what is verified. Each pact has as many interactions.
const (
	providers    = 12
	pacts        = 20
	interactions = 3
)

// The states that pacts name.
const (
	stateThere = "a thing is there"
	stateNone  = "nothing is there"
)

// providerName is the n-th service, which has its first consumer in the service before it.
func providerName(n int) string { return fmt.Sprintf("p%02d", n%providers) }

// writeStack writes a stack whose services are this binary, their pacts, and how their states are set. It returns
// its size in words.
func writeStack(dir string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	files := map[string]string{"stack.yaml": stackText(self)}
	for n := range providers {
		files[filepath.Join("contracts", "states", providerName(n)+".yaml")] = statesText
	}
	for n := range pacts {
		consumer, provider := providerName(n+1+n/providers), providerName(n)
		body, err := json.MarshalIndent(pact(consumer, provider), "", "  ")
		if err != nil {
			return "", err
		}
		files[pactFile(consumer, provider)] = string(body)
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return "", err
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%d providers, %d pacts, %d interactions", providers, pacts, pacts*interactions), nil
}

func pactFile(consumer, provider string) string {
	return filepath.Join("contracts", "pacts", consumer+"-"+provider+".json")
}

// pactsOf are the files of a provider's pacts, below the stack.
func pactsOf(dir string, n int) []string {
	found, _ := filepath.Glob(filepath.Join(dir, "contracts", "pacts", "*-"+providerName(n)+".json"))
	return found
}

func stackText(self string) string {
	var w strings.Builder
	w.WriteString("version: 1\nname: bench-contracts\nservices:\n")
	for n := range providers {
		fmt.Fprintf(&w, "  %s:\n    command: [%s, provider]\n    listen: {http: auto}\n    health: {http: /}\n", providerName(n), strconv.Quote(self))
	}
	return w.String()
}

const statesText = `states:
  ` + stateThere + `:
    set:
      - http: POST /state
        json: {state: ` + stateThere + `, action: setup, params: {id: "{id}", name: "{name}", price: "{price}", tags: "{tags}"}}
  ` + stateNone + `:
    set:
      - http: POST /state
        json: {state: ` + stateNone + `, action: setup}
`

// pact is what a consumer needs of a provider, as Pact V4 writes it: to read one, to be told that there is none,
// and to write one.
func pact(consumer, provider string) map[string]any {
	mug := map[string]any{"id": "mug", "name": "A mug", "price": 1250, "tags": []string{"cup", "blue"}}
	content := func(v any) map[string]any {
		return map[string]any{"content": v, "contentType": "application/json", "encoded": false}
	}
	header := map[string]any{"Content-Type": []string{"application/json"}}
	typed := map[string]any{"body": map[string]any{"$": map[string]any{"combine": "AND", "matchers": []any{map[string]any{"match": "type"}}}}}
	return map[string]any{
		"consumer": map[string]string{"name": consumer}, "provider": map[string]string{"name": provider},
		"metadata": map[string]any{"pactSpecification": map[string]string{"version": "4.0"}},
		"interactions": []any{
			map[string]any{"type": "Synchronous/HTTP", "description": "read a thing", "providerStates": []any{map[string]any{"name": stateThere, "params": mug}},
				"request":  map[string]any{"method": "GET", "path": "/things/mug"},
				"response": map[string]any{"status": 200, "headers": header, "body": content(mug), "matchingRules": typed}},
			map[string]any{"type": "Synchronous/HTTP", "description": "read one that is not there", "providerStates": []any{map[string]any{"name": stateNone}},
				"request":  map[string]any{"method": "GET", "path": "/things/none"},
				"response": map[string]any{"status": 404, "headers": header, "body": content(map[string]any{"code": "not_found"})}},
			map[string]any{"type": "Synchronous/HTTP", "description": "write a thing", "providerStates": []any{map[string]any{"name": stateNone}},
				"request":  map[string]any{"method": "POST", "path": "/things", "headers": header, "body": content(mug)},
				"response": map[string]any{"status": 201, "headers": header, "body": content(mug), "matchingRules": typed}},
		},
	}
}
