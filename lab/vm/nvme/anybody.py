"""Without authentication Cinder still wants to be told who asks, in the token: everybody is the user and project
`6b75727972`, whatever token they have from elsewhere."""


def factory(_global, **_local):
    def around(application):
        def call(environ, start_response):
            environ["HTTP_X_AUTH_TOKEN"] = "6b75727972:6b75727972"
            return application(environ, start_response)

        return call

    return around
