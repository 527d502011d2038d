package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

// schemas are the forms of what goes in and out, by the names that the table uses (JSON Schema).
//
//go:embed schemas.json
var schemas []byte

type object = map[string]any

// document serves the table as an OpenAPI document.
func document(table []Route) (http.Handler, error) {
	var forms object
	if err := json.Unmarshal(schemas, &forms); err != nil {
		return nil, fmt.Errorf("read schemas: %w", err)
	}
	paths := map[string]object{}
	for _, rt := range table {
		method, path, _ := strings.Cut(rt.Pattern, " ")
		if paths[path] == nil {
			paths[path] = object{}
		}
		paths[path][strings.ToLower(method)] = rt.operation(method, path)
	}
	text, err := json.MarshalIndent(object{
		"openapi": "3.1.0",
		"info": object{"title": "Reference fleet", "version": "2",
			"description": "What the gateway lets through, made from the table that it works by."},
		"paths": paths,
		"components": object{"schemas": forms, "securitySchemes": object{"bearer": object{
			"type": "http", "scheme": "bearer", "bearerFormat": "JWT",
			"description": "RS256. While there is no other issuer, POST /v1/token gives one.",
		}}},
	}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write document: %w", err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "max-age=60")
		_, _ = w.Write(text) // the client went away: nobody is left to tell
	}), nil
}

// operation describes one row.
func (rt Route) operation(method, path string) object {
	op := object{
		"operationId": operationID(method, path),
		"summary":     rt.Doc,
		"tags":        []string{rt.To},
		"parameters":  rt.parameters(path),
		"responses":   rt.responses(),
		"security":    []object{},
	}
	if len(rt.Roles) > 0 {
		op["security"] = []object{{"bearer": []string{}}}
		op["x-roles"] = rt.Roles
		op["description"] = rt.whoMay()
	}
	if rt.In != "" {
		op["requestBody"] = object{"required": true, "content": content(rt.In)}
	}
	return op
}

// whoMay says what the roles of a row may do.
func (rt Route) whoMay() string {
	text := "For the roles " + strings.Join(rt.Roles, " and ") + "."
	if rt.Own {
		text += " A user may do this with what is their own."
	}
	return text
}

var (
	places    = regexp.MustCompile(`\{(\w+)\}`)
	wordBegin = regexp.MustCompile(`(?:^|[^a-zA-Z0-9]+)([a-zA-Z0-9])`)
)

// operationID is the method and the words of the path: getV1OrdersIdPage.
func operationID(method, path string) string {
	return strings.ToLower(method) + strings.TrimSuffix(wordBegin.ReplaceAllStringFunc(path, func(s string) string {
		return strings.ToUpper(s[len(s)-1:])
	}), "}")
}

func (rt Route) parameters(path string) []object {
	all := []object{}
	for _, found := range places.FindAllStringSubmatch(path, -1) {
		all = append(all, parameter(found[1], "path", true, "string"))
	}
	for _, name := range strings.Fields(rt.Query) {
		kind := "string"
		if name == "limit" {
			kind = "integer"
		}
		all = append(all, parameter(name, "query", false, kind))
	}
	if rt.Once {
		p := parameter("Idempotency-Key", "header", false, "string")
		p["description"] = "A second request under the same key gets the answer of the first."
		all = append(all, p)
	}
	return all
}

func parameter(name, in string, required bool, kind string) object {
	return object{"name": name, "in": in, "required": required, "schema": object{"type": kind}}
}

// responses are the answer, and the problems that the gateway itself may answer.
func (rt Route) responses() object {
	status := rt.Status
	if status == 0 {
		status = http.StatusOK
	}
	good := object{"description": http.StatusText(status)}
	if rt.Out != "" {
		good["content"] = content(rt.Out)
	}
	all := object{strconv.Itoa(status): good, "default": problem("A problem")}
	codes := []int{http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable,
		http.StatusGatewayTimeout}
	if len(rt.Roles) > 0 {
		codes = append(codes, http.StatusUnauthorized, http.StatusForbidden)
	}
	if rt.Once {
		codes = append(codes, http.StatusConflict, http.StatusUnprocessableEntity)
	}
	for _, code := range codes {
		all[strconv.Itoa(code)] = problem(http.StatusText(code))
	}
	return all
}

func problem(description string) object {
	return object{"description": description, "content": object{
		"application/problem+json": object{"schema": reference("Problem")}}}
}

// content is a body of a schema's form, or of a media type.
func content(form string) object {
	if strings.Contains(form, "/") {
		return object{form: object{"schema": object{"type": "string"}}}
	}
	return object{"application/json": object{"schema": reference(form)}}
}

func reference(form string) object { return object{"$ref": "#/components/schemas/" + form} }
