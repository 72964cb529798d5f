// Starts Swagger UI from our own origin. validatorUrl is off: by default it would send the schema to a public service.
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null,
});
