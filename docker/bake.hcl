// The published variants of the base image, each for two platforms:
//
//   docker buildx bake -f docker/bake.hcl --print
//   docker buildx bake -f docker/bake.hcl --set '*.platform=linux/amd64' --load uwsgi-python3-13
//   IMAGE=registry.example.com/base VERSION=1.0 docker buildx bake -f docker/bake.hcl --push

variable "IMAGE" {
  default = "entrypoint-toolkit"
}

variable "VERSION" {
  default = "dev"
}

variable "REVISION" {
  default = ""
}

variable "SOURCE" {
  default = "https://github.com/entrypoint-toolkit/entrypoint-toolkit"
}

variable "DEBIAN" {
  default = "bookworm"
}

variable "PYTHONS" {
  default = ["3.11", "3.12", "3.13"]
}

// The variants carry no Django: the requirements of the project bring it, in the version that the project needs.
variable "PACKAGES" {
  default = ""
}

group "default" {
  targets = ["variant"]
}

target "variant" {
  matrix = {
    python = PYTHONS
    variant = [
      { name = "uwsgi", server = "uwsgi", nginx = "on" },
      { name = "gunicorn", server = "gunicorn", nginx = "on" },
      { name = "uvicorn", server = "uvicorn", nginx = "on" },
      { name = "granian", server = "granian", nginx = "on" },
      { name = "gunicorn-alone", server = "gunicorn", nginx = "off" },
    ]
  }
  name       = "${variant.name}-python${replace(python, ".", "-")}"
  dockerfile = "docker/Dockerfile"
  platforms  = ["linux/amd64", "linux/arm64"]
  args = {
    PYTHON   = python
    DEBIAN   = DEBIAN
    SERVER   = variant.server
    NGINX    = variant.nginx
    LEGO     = "off"
    PACKAGES = PACKAGES
  }
  tags = ["${IMAGE}:${VERSION}-${variant.name}-python${python}"]
  labels = {
    "org.opencontainers.image.version"   = VERSION
    "org.opencontainers.image.revision"  = REVISION
    "org.opencontainers.image.source"    = SOURCE
    "org.opencontainers.image.base.name" = "docker.io/library/python:${python}-slim-${DEBIAN}"
  }
}
