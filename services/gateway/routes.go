package main

// Route is one row of the gateway's table.
type Route struct {
	Pattern string   // as http.ServeMux takes it; the service is asked for the path behind /v1
	To      string   // service
	Roles   []string // who may; empty is everybody, without a token
	// Own lets the role "user" ask for {id} only where that is themselves.
	Own bool
	// Once answers a request that has an Idempotency-Key, or a request_id in its body, only once.
	Once bool
	// Knows says that the service itself knows a second request of one request_id, so that it may
	// be sent again when it gets no answer.
	Knows bool
}

const (
	admin = "admin"
	user  = "user"
)

// routes is the table.
var routes = []Route{
	{Pattern: "POST /v1/users", To: "users", Roles: []string{admin}, Once: true},
	{Pattern: "GET /v1/users", To: "users", Roles: []string{admin}},
	{Pattern: "GET /v1/users/{id}", To: "users", Roles: []string{admin, user}, Own: true},
	{Pattern: "PUT /v1/users/{id}", To: "users", Roles: []string{admin, user}, Own: true},

	{Pattern: "GET /v1/templates", To: "templates", Roles: []string{admin, user}},
	{Pattern: "GET /v1/templates/{rest...}", To: "templates", Roles: []string{admin, user}},
	{Pattern: "PUT /v1/templates/{id}", To: "templates", Roles: []string{admin}},
	{Pattern: "POST /v1/templates/{id}/render", To: "templates", Roles: []string{admin, user}},

	{
		Pattern: "POST /v1/notifications", To: "notifications", Roles: []string{admin},
		Once: true, Knows: true,
	},
	{Pattern: "GET /v1/notifications", To: "notifications", Roles: []string{admin}},
	{Pattern: "GET /v1/notifications/{id}", To: "notifications", Roles: []string{admin, user}},

	{Pattern: "GET /v1/failed", To: "notifications", Roles: []string{admin}},
	{Pattern: "POST /v1/failed/requeue", To: "notifications", Roles: []string{admin}},
	{Pattern: "POST /v1/failed/{id}/requeue", To: "notifications", Roles: []string{admin}},
}
