package ports

import "context"

type tenantKey struct{}

// WithTenant says whose a call is, so that what callers share can be shared fairly.
// It is no credential: nothing is permitted by it.
func WithTenant(ctx context.Context, tenant string) context.Context {
	return context.WithValue(ctx, tenantKey{}, tenant)
}

// TenantOf tells whose a call is; "" where nobody has said.
func TenantOf(ctx context.Context) string {
	tenant, _ := ctx.Value(tenantKey{}).(string)
	return tenant
}
