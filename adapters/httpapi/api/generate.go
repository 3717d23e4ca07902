// Package api holds the models of the HTTP API, generated from its OpenAPI
// document.
package api

//go:generate go run github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@v2.5.1 --config codegen.yaml ../openapi.yaml
