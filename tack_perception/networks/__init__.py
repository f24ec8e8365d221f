# SPDX-License-Identifier: Apache-2.0
"""Networks: trunks that describe an image, and heads that find points in what they say.

Modules only; how they learn is in `learning`, how they are used in `detectors`. Import a module by
its name: this package itself does not need torch.
"""
